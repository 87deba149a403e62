// Exit code 0 when the server of this container answers GET /health/live, else 1 and one line that says why.
import { request as http } from 'node:http';
import { request as https } from 'node:https';
import process from 'node:process';

const { HOST, PORT, TLS_CERT_FILE, HEALTHCHECK_TIMEOUT_MS } = process.env;
// Listening on any address includes this one.
const host = !HOST || HOST === '0.0.0.0' || HOST === '::' ? '127.0.0.1' : HOST;
const request = TLS_CERT_FILE ? https : http;

function fail(reason) {
  process.stderr.write(`${reason}\n`);
  process.exit(1);
}

const asked = request(
  {
    host,
    port: PORT || 8000,
    path: '/health/live',
    timeout: Number(HEALTHCHECK_TIMEOUT_MS || 3000),
    // The certificate is for the name that clients use, not for this address.
    rejectUnauthorized: false,
  },
  ({ statusCode }) => (statusCode === 200 ? process.exit(0) : fail(`/health/live answered ${statusCode}`)),
);
asked.on('timeout', () => fail('/health/live did not answer in time'));
asked.on('error', (error) => fail(error.message));
asked.end();
