// Runs in a worker thread: bcrypt at cost 12 takes a quarter of a second, which would stall every other request.
import bcrypt from 'bcryptjs';

/** @param {{ verb: 'hash', text: string, cost: number } | { verb: 'compare', text: string, hash: string }} job */
export default function run(job) {
  return job.verb === 'hash' ? bcrypt.hashSync(job.text, job.cost) : bcrypt.compareSync(job.text, job.hash);
}
