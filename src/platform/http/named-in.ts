import { AppError } from '../../kernel/errors/app-error.js';

/** Runs work that needs what a field of the request names. A `not_found` then says which field it was. */
export async function namedIn<T>(pointer: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof AppError && error.code === 'not_found' ? AppError.notFound(pointer) : error;
  }
}
