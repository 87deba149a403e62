import { Circuit } from './circuit.js';

const make = (): Circuit => new Circuit({ failures: 3, openMs: 1000 });

/** A circuit that opened at time 0. */
function opened(): Circuit {
  const circuit = make();
  for (let i = 0; i < 3; i++) circuit.fail(0, false, 0);
  return circuit;
}

describe('Circuit', () => {
  it('opens after the configured number of consecutive failures, but not if a success is among them', () => {
    const circuit = make();
    expect([circuit.fail(0, false, 0), circuit.fail(0, false, 0), circuit.succeed(0, false)]).toEqual([0, 0, false]);
    expect([1, 2, 3].map(() => circuit.fail(0, false, 0))).toEqual([0, 0, 1000]);
    expect([circuit.enter(0), circuit.enter(400), circuit.enter(999)]).toEqual([1000, 600, 1]);
  });

  it('opens when half of many calls fail, even if they are not consecutive', () => {
    const circuit = make();
    const opened: number[] = [];
    for (let call = 0; call < 10; call++) {
      circuit.succeed(0, false);
      opened.push(circuit.fail(0, false, 0));
    }
    expect(opened).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 1000]);
  });

  it('opens after the configured number of broken answers, but not if a complete one is among them', () => {
    const circuit = make();
    const breakOff = (): number => {
      circuit.succeed(0, false);
      return circuit.breakOff(0);
    };
    expect([breakOff(), breakOff()]).toEqual([0, 0]);
    circuit.complete();
    expect([breakOff(), breakOff()]).toEqual([0, 0]);
    expect(circuit.isForgettable(60_000)).toBe(false);
    expect([breakOff(), breakOff()]).toEqual([1000, 0]);
  });

  it('opens again at the first broken answer, until one was complete', () => {
    const circuit = make();
    for (let i = 0; i < 3; i++) circuit.breakOff(0);
    expect([circuit.enter(1000), circuit.succeed(1000, true), circuit.breakOff(1000)]).toEqual([0, true, 1000]);
    expect([circuit.enter(2000), circuit.succeed(2000, true)]).toEqual([0, true]);
    circuit.complete();
    expect(circuit.breakOff(2000)).toBe(0);
  });

  it('resets the failure rate after half a minute', () => {
    const circuit = make();
    for (let call = 0; call < 30; call++) {
      circuit.succeed(call * 4000, false);
      expect(circuit.fail(call * 4000, false, 0)).toBe(0);
    }
  });

  it('lets one call pass when its time has passed, and closes when that call succeeds', () => {
    const circuit = opened();
    expect([circuit.enter(1000), circuit.enter(1000)]).toEqual([0, 1000]);
    expect(circuit.succeed(1100, true)).toBe(true);
    expect([circuit.enter(1100), circuit.enter(1100)]).toEqual([0, 0]);
  });

  it('stays open twice as long after each failed probe, up to two minutes', () => {
    const circuit = opened();
    const waits: number[] = [];
    for (let nowMs = 1000, probe = 0; probe < 9; probe++, nowMs += waits.at(-1) as number) {
      expect(circuit.enter(nowMs)).toBe(0);
      waits.push(circuit.fail(nowMs, true, 0));
    }
    expect(waits).toEqual([2000, 4000, 8000, 16_000, 32_000, 64_000, 120_000, 120_000, 120_000]);
  });

  it('stays open for as long as the provider asked', () => {
    const circuit = make();
    circuit.fail(0, false, 7000);
    circuit.fail(0, false, 7000);
    expect(circuit.fail(0, false, 7000)).toBe(7000);
  });

  it('makes another probe when one ended without a result', () => {
    const circuit = opened();
    circuit.enter(1000);
    circuit.abandon();
    expect([circuit.enter(1000), circuit.enter(1000)]).toEqual([0, 1000]);
  });

  it('learns nothing from calls that began before it opened', () => {
    const circuit = opened();
    expect([circuit.succeed(10, false), circuit.fail(10, false, 0), circuit.enter(10)]).toEqual([false, 0, 990]);
  });

  it('is kept as long as a failure counts', () => {
    const circuit = make();
    expect(circuit.isForgettable(0)).toBe(true);
    circuit.fail(0, false, 0);
    expect(circuit.isForgettable(60_000)).toBe(false);
    circuit.succeed(60_000, false);
    expect(circuit.isForgettable(60_000)).toBe(true);
  });
});
