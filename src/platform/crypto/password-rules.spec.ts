import { commonPasswordCount, passwordProblem } from './password-rules.js';

const EMAIL = 'ada.lovelace@engine.example.com';

describe('the rules for new passwords', () => {
  it('know more than 3,000 common passwords that are long enough', () => {
    expect(commonPasswordCount()).toBeGreaterThan(3000);
  });

  it.each(['password', 'iloveyou', 'qwerty123', '1q2w3e4r', '123456789'])('refuse %s', (password) => {
    expect(passwordProblem(password, EMAIL)).toMatch(/common/);
  });

  it('refuse a common password in any case and in any Unicode spelling', () => {
    for (const password of ['PassWord', 'ＰＡＳＳＷＯＲＤ', 'sunshine１']) {
      expect(passwordProblem(password, EMAIL)).toMatch(/common/);
    }
  });

  it.each([
    'ada.lovelace@engine.example.com',
    'Ada.Lovelace',
    'ada.lovelace1815',
    'engine.example.com',
    '!!engine!!',
    'example2026',
    'Parley2026',
  ])('refuse %s for its owner', (password) => {
    expect(passwordProblem(password, EMAIL)).toMatch(/e-mail/);
  });

  it.each(['correct horse battery', 'ada.lovelace wrote it', 'aaaaaaab9', '        ', '99887766554', 'пароль и ключ'])(
    'take %s: nothing has to be mixed',
    (password) => {
      expect(passwordProblem(password, EMAIL)).toBeNull();
    },
  );

  it('accept a password made of another e-mail address', () => {
    expect(passwordProblem('ada.lovelace1815', 'eve@example.com')).toBeNull();
  });
});
