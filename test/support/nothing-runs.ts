/** The content security policy of a response that is data: nothing in it may run, load, frame or be framed. */
export const NOTHING_RUNS =
  "default-src 'none';frame-ancestors 'none';base-uri 'none';form-action 'none';object-src 'none'";
