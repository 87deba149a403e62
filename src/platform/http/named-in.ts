import { AppError } from '../../kernel/errors/app-error.js';

/** Waits for work on a resource that a field of the request names. A `not_found` error then points to that field. */
export async function namedIn<T>(pointer: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof AppError && error.code === 'not_found' ? AppError.notFound(pointer) : error;
  }
}
