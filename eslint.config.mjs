import tseslint from 'typescript-eslint';

export default tseslint.config(
  {
    // The programs in test/sdk/clients are compiled beside the clients that they use, which are generated when they are checked.
    ignores: [
      ...['dist/', 'node_modules/', '.data/', 'coverage/', 'test/.generated/', 'bench/.peers/'],
      'test/sdk/clients/',
    ],
  },
  {
    files: ['src/**/*.ts', 'test/**/*.ts', 'migrations/**/*.ts'],
    extends: [...tseslint.configs.recommended],
    languageOptions: { parserOptions: { project: './tsconfig.json' } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Classes that Nest reads at run time (DTOs, providers) must stay value imports.
      '@typescript-eslint/consistent-type-imports': 'off',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-console': 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/**/*.spec.ts'],
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      'max-lines': ['error', 300],
      'max-lines-per-function': ['error', { max: 50, skipBlankLines: true, skipComments: true }],
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Only platform/config reads the environment.' },
      ],
    },
  },
  {
    // A repository that is injected, or made from the data source, works outside every transaction and without a tenant.
    files: ['src/**/*.ts'],
    ignores: ['src/platform/database/**', 'src/**/*.spec.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: [
            {
              name: '@nestjs/typeorm',
              allowImportNames: ['TypeOrmModule'],
              message:
                'A module lists its entities by TypeOrmModule.forFeature; repositories come from the unit of work.',
            },
            {
              name: 'typeorm',
              importNames: ['DataSource', 'EntityManager', 'QueryRunner', 'Repository', 'getMetadataArgsStorage'],
              message: 'The unit of work is the only way to a repository: unitOfWork.repository(Entity).',
            },
          ],
        },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: "CallExpression[callee.name='Inject'] > Literal[value=/Repository$|DataSource$|EntityManager$/]",
          message: 'The unit of work is the only way to a repository: unitOfWork.repository(Entity).',
        },
      ],
    },
  },
  { files: ['src/platform/config/**', 'src/main.ts', 'src/cli.ts'], rules: { 'no-restricted-properties': 'off' } },
  { files: ['src/cli.ts', 'src/cli/**'], rules: { 'no-console': 'off' } },
);
