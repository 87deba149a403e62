import 'reflect-metadata';
import { writeFileSync } from 'node:fs';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from '../app.module.js';
import { openApiDocument } from '../openapi.js';
import { defaultConfig } from '../app-config.js';
import { stableJson } from './stable-json.js';

/** Writes the contract that `/openapi.json` serves. It needs no database and no settings, because it only reads the routes. */
export async function openApiCommand(file: string): Promise<void> {
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(defaultConfig()), new FastifyAdapter(), {
    preview: true,
    logger: false,
    abortOnError: false,
  });
  const document = openApiDocument(app);
  writeFileSync(file, stableJson(document));
  console.log(`Wrote ${file}: ${Object.keys(document.paths).length} paths`);
}
