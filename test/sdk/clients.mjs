import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const PROGRAMS = fileURLToPath(new URL('./clients/', import.meta.url));
const TSCONFIG = {
  compilerOptions: {
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'],
    types: ['node'],
    strict: true,
    outDir: 'out',
    rootDir: '.',
  },
};

/**
 * A client in TypeScript: `write` generates into the folder `generated` beside the program. The compiler is strict, and the
 * compiled program runs on this Node.js.
 */
function typescript(name, write) {
  return {
    name,
    async generate(workshop, document) {
      const packages = await workshop.npm('npm');
      this.folder = workshop.emptyFolder(`npm/${name}`);
      await write({ workshop, document, folder: this.folder, packages });
    },
    async compile(workshop) {
      const packages = await workshop.npm('npm');
      cpSync(join(PROGRAMS, `${name}.ts`), join(this.folder, 'play.ts'));
      for (const file of ['tell.ts', 'events.ts']) cpSync(join(PROGRAMS, file), join(this.folder, file));
      writeFileSync(join(this.folder, 'tsconfig.json'), JSON.stringify({ ...TSCONFIG, files: ['play.ts'] }));
      await workshop.run(process.execPath, [join(packages, 'node_modules/typescript/bin/tsc'), '-p', this.folder]);
    },
    play(workshop, env) {
      return workshop.run(process.execPath, [join(this.folder, 'out/play.js')], { env });
    },
  };
}

/** A program of a package, run by this Node.js. */
const node = ({ workshop, packages, folder }, script, ...args) =>
  workshop.run(process.execPath, [join(packages, 'node_modules', script), ...args], { cwd: folder });

/** Without it the clients of openapi-generator for Go and Java refuse fields that they do not know. */
const TOLERANT = 'disallowAdditionalPropertiesIfNotPresent=false';

/** Writes a client of openapi-generator into `folder`. It is a Java program that comes as a Python package. */
async function generateByJava(workshop, document, generator, folder, options = [], properties = []) {
  await workshop.need('java', '-version');
  const bin = await workshop.python('openapi-generator');
  const only = 'apiTests=false,modelTests=false,apiDocs=false,modelDocs=false';
  const args = ['generate', '-i', document, '-g', generator, '-o', folder, '--global-property', only, ...options];
  args.push('--additional-properties', [TOLERANT, ...properties].join(','));
  await workshop.run('openapi-generator-cli', args, { path: [bin] });
}

const javaTypescript = (generator) =>
  typescript(generator, ({ workshop, document, folder }) =>
    generateByJava(workshop, document, generator, join(folder, 'generated')),
  );

/** A client in Python. The compiler is mypy in its strict mode, on the program that uses the client. */
function python(name, requirements, write) {
  return {
    name,
    async generate(workshop, document) {
      this.bin = await workshop.python(...requirements);
      this.folder = workshop.emptyFolder(name);
      await write({ workshop, document, folder: this.folder, bin: this.bin });
    },
    async compile(workshop) {
      for (const file of [`${name}.py`, 'tell.py']) {
        cpSync(join(PROGRAMS, file), join(this.folder, file.replace(name, 'play')));
      }
      await workshop.run(join(this.bin, 'python'), ['-m', 'compileall', '-q', this.folder]);
      await workshop.run(join(this.bin, 'mypy'), ['--strict', '--follow-imports=silent', 'play.py'], {
        cwd: this.folder,
      });
    },
    play(workshop, env) {
      return workshop.run(join(this.bin, 'python'), ['play.py'], { cwd: this.folder, env });
    },
  };
}

const go = {
  name: 'go',
  async generate(workshop, document) {
    await workshop.need('go', 'version');
    this.folder = workshop.emptyFolder('go');
    // Without the look-up it takes the text of a message for an image as well.
    const properties = ['useOneOfDiscriminatorLookup=true', 'packageName=parley', 'withGoMod=false'];
    await generateByJava(workshop, document, 'go', join(this.folder, 'parley'), [], properties);
  },
  async compile(workshop) {
    cpSync(join(PROGRAMS, 'go.go'), join(this.folder, 'main.go'));
    cpSync(join(PROGRAMS, 'go.mod'), join(this.folder, 'go.mod'));
    const env = { GOFLAGS: '-mod=mod', CGO_ENABLED: '0' };
    await workshop.run('go', ['vet', './...'], { cwd: this.folder, env });
    await workshop.run('go', ['build', '-o', 'play', '.'], { cwd: this.folder, env });
  },
  play(workshop, env) {
    return workshop.run(join(this.folder, 'play'), [], { env });
  },
};

const java = {
  name: 'java',
  async generate(workshop, document) {
    await workshop.need('mvn', '--version');
    this.folder = workshop.emptyFolder('java');
    // Without the property it sends every list that is absent as an empty one, also in a PATCH.
    await generateByJava(
      workshop,
      document,
      'java',
      this.folder,
      ['--library', 'okhttp-gson'],
      ['containerDefaultToNull=true'],
    );
  },
  async compile(workshop) {
    cpSync(join(PROGRAMS, 'Play.java'), join(this.folder, 'src/main/java/Play.java'));
    const args = ['-B', '-q', '-DskipTests', '-Dmaven.javadoc.skip=true', '-Dmaven.source.skip=true'];
    await workshop.run('mvn', [...args, 'compile', 'dependency:build-classpath', '-Dmdep.outputFile=classpath'], {
      cwd: this.folder,
    });
  },
  play(workshop, env) {
    return workshop.run('sh', ['-c', 'exec java -cp "target/classes:$(cat classpath)" Play'], {
      cwd: this.folder,
      env,
    });
  },
};

/** Every client that is generated, compiled and played. */
export const CLIENTS = [
  typescript('hey-api', (at) =>
    node(at, '@hey-api/openapi-ts/bin/run.js', '-i', at.document, '-o', 'generated', '--no-log-file'),
  ),
  typescript('openapi-fetch', (at) =>
    node(at, 'openapi-typescript/bin/cli.js', at.document, '--output', 'generated.ts'),
  ),
  typescript('orval', (at) => {
    const mutator = { path: './orval-fetch.ts', name: 'orvalFetch' };
    const output = { target: 'generated/parley.ts', client: 'fetch', mode: 'split', override: { mutator } };
    const config = join(at.folder, 'orval.config.mjs');
    cpSync(join(PROGRAMS, 'orval-fetch.ts'), join(at.folder, 'orval-fetch.ts'));
    writeFileSync(config, `export default ${JSON.stringify({ parley: { input: at.document, output } })};\n`);
    return node(at, 'orval/dist/bin/orval.mjs', '--config', config);
  }),
  python('openapi-python-client', ['openapi-python-client'], (at) => {
    const args = ['generate', '--path', at.document, '--output-path', join(at.folder, 'parley'), '--meta', 'none'];
    return at.workshop.run(join(at.bin, 'openapi-python-client'), args, { path: [at.bin] });
  }),
  python('python', ['openapi-generator'], (at) =>
    generateByJava(at.workshop, at.document, 'python', at.folder, ['--package-name', 'parley']),
  ),
  javaTypescript('typescript-fetch'),
  javaTypescript('typescript-axios'),
  go,
  java,
];
