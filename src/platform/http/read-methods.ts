/** Whether a request of this method changes nothing. Fastify answers HEAD on every route that answers GET. */
export function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}
