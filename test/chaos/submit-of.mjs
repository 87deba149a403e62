/** `chaos-17-slow`: the model's name carries the number of the submit and how its answer goes, and comes back in the row. */
export function modelOf(submit, kind) {
  return `chaos-${submit}-${kind}`;
}

/** The number of the submit that a model's name carries; null when it carries none. */
export function submitOf(model) {
  const [, submit] = /^chaos-(\d+)-/.exec(model ?? '') ?? [];
  return submit === undefined ? null : Number(submit);
}
