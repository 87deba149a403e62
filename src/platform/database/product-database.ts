/**
 * What the top-level files tell the platform about the database of the product. The platform itself names no role, no table
 * and no migration of the product.
 */
export class ProductDatabase {
  /** Absolute path of the folder with the migrations. */
  readonly migrations: string;
  /** The role that requests run as. It owns nothing and is subject to row-level security. */
  readonly appRole: string;
  /** The role of the few jobs that look across tenants. */
  readonly systemRole: string;

  constructor(given: ProductDatabase) {
    Object.assign(this, given);
  }
}
