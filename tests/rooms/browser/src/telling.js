// What happens in the page, told as it happens: one line of JSON each, through hear(), which the driver has put there.

const waiting = [];
let timer;

export function tell(line) {
  waiting.push(JSON.stringify(line));
  timer ??= setTimeout(flush, 40);
}

export function flush() {
  clearTimeout(timer);
  timer = undefined;
  return waiting.length ? window.hear(waiting.splice(0).join('\n')) : undefined;
}

export function note(kind, detail = {}) {
  tell({ event: { at: Date.now(), kind, ...detail } });
}

/** Lets the page do what `can` says it can; window.act(number, name, …) is what the driver calls. */
export function actWith(can) {
  window.act = async (number, name, ...given) => {
    try {
      const said = await can[name](...given);
      note(`did ${name}`, { number, ...said });
    } catch (error) {
      note(`failed ${name}`, { number, error: String(error) });
    }
    await flush();
  };
}
