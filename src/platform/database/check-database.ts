import pg from 'pg';

const OLDEST_MAJOR = 15;

/**
 * Connects once. On failure, throws one line that names the variable `name` and says what is wrong with its address: no
 * answer, unknown host, user refused, no such database, PostgreSQL too old. The line never contains the password. Waits at
 * most `timeoutMs` for the connection, and as long again for the answer.
 */
export async function checkDatabase(name: string, url: string, timeoutMs: number): Promise<void> {
  const timeouts = { connectionTimeoutMillis: timeoutMs, query_timeout: timeoutMs };
  let client: pg.Client | undefined;
  let version: number;
  try {
    client = new pg.Client({ connectionString: url, ...timeouts, application_name: 'parley-check' });
    client.on('error', () => undefined);
    await client.connect();
    const { rows } = await client.query<{ server_version_num: string }>('show server_version_num');
    version = Math.floor(Number(rows[0]?.server_version_num) / 10_000);
  } catch (error) {
    throw new Error(`${name}: ${reason(error as Error & { code?: string }, client, timeoutMs)}`, { cause: error });
  } finally {
    void client?.end().catch(() => undefined);
  }
  if (version < OLDEST_MAJOR) {
    throw new Error(`${name}: ${place(client)} is PostgreSQL ${version}, Parley needs ${OLDEST_MAJOR} or newer`);
  }
}

function place(client: pg.Client): string {
  return `${client.host}:${client.port}`;
}

function reason(error: Error & { code?: string }, client: pg.Client | undefined, timeoutMs: number): string {
  if (client === undefined)
    return 'is not an address that PostgreSQL understands: postgres://user:password@host:port/database';
  switch (error.code) {
    case 'ECONNREFUSED':
      return `nothing answers at ${place(client)}: start PostgreSQL there, or in development unset it to use the embedded one`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `no host named ${client.host} can be found`;
    case '28P01':
    case '28000':
      return `${place(client)} refuses the user "${client.user}": check the user name and the password`;
    case '3D000':
      return `${place(client)} has no database "${client.database}": create it, e.g. by \`createdb ${client.database}\``;
    case undefined:
    case 'ETIMEDOUT':
      if (/timeout/i.test(error.message) || error.code === 'ETIMEDOUT') {
        return `${place(client)} did not answer within ${timeoutMs} ms: check the address and the firewall`;
      }
  }
  if (/terminated unexpectedly/.test(error.message)) return `${place(client)} hangs up: is that a PostgreSQL server?`;
  return `${place(client)}: ${error.message || error.code}`;
}
