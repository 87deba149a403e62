import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { ERROR_CATALOGUE } from '../../kernel/errors/error-catalogue.js';
import { Public } from './public.decorator.js';

const page = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Errors of the Parley API</title>
<style>body{font:16px/1.5 system-ui;max-width:46rem;margin:2rem auto;padding:0 1rem}dt{margin-top:1rem}code{font-weight:600}</style>
<h1>Errors</h1>
<p>Every error is <code>application/problem+json</code> (RFC 9457). Branch on <code>code</code>; it never changes its meaning.</p>
<dl>${Object.entries(ERROR_CATALOGUE)
  .map(([code, { status, title }]) => `<dt id="${code}"><code>${code}</code> ${status}<dd>${title}.`)
  .join('\n')}</dl></html>
`;

/** The page that the `type` of a problem links to, for people. */
@Public()
@ApiExcludeController()
@Controller('docs')
export class ErrorsPageController {
  @Get('errors')
  @Header('content-type', 'text/html; charset=utf-8')
  show(): string {
    return page;
  }
}
