// What was pressed, on its way to the disk: one after the other, each with the mark of the last answer.

export class Saver {
  // told(waiting, revision); changed(case, found); refused(words, cases that are not saved, whether the server is gone).
  constructor({ changed, told, refused }) {
    Object.assign(this, { changed, told, refused, mark: "", queue: [], busy: false, revision: 0, gone: false });
  }

  get waiting() {
    return this.queue.length;
  }

  // The answer, `{error}` where the server has something against it, nothing where it was not done.
  add(name, path, body) {
    return new Promise((done) => {
      if (this.gone) {
        done(undefined);
        return;
      }
      // At once, so that the next key finds it so; it is said to be saved when it is.
      if (path === "/api/decide") this.changed(name, { decision: body.decision, was: null, mask: "", state: "pending" });
      this.queue.push({ name, path, body, done });
      this.told(this.waiting, this.revision);
      this.work();
    });
  }

  async work() {
    if (this.busy) return;
    this.busy = true;
    while (this.queue.length) {
      const one = this.queue[0];
      const found = await this.send(one);
      if (found === undefined) break;
      this.queue.shift();
      if (found.mark) {
        [this.mark, this.revision] = [found.mark, found.revision];
        // Later keys about the same case are on their way, and shown already.
        if (!this.queue.some((later) => later.name === found.case)) this.changed(found.case, { ...found, state: "saved" });
      }
      this.told(this.waiting, this.revision);
      one.done(found);
    }
    this.busy = false;
  }

  async send(one) {
    let answer;
    let found;
    try {
      const body = JSON.stringify({ ...one.body, mark: this.mark });
      answer = await fetch(one.path, { method: "POST", body, headers: { "Content-Type": "application/json" } });
      found = await answer.json();
    } catch {
      this.gone = true;
      this.drop("The server does not answer any more.", true);
      return undefined;
    }
    if (answer.status === 409) {
      this.drop("Decided in another tab or by git meanwhile: shown as it is now, press again.", false);
      return undefined;
    }
    if (!answer.ok && one.path === "/api/decide") {
      this.drop(found.error, false);
      return undefined;
    }
    return found;
  }

  drop(words, gone) {
    const lost = this.queue.splice(0);
    this.told(0, this.revision);
    lost.forEach((one) => one.done(undefined));
    this.refused(words, lost.filter((one) => one.path !== "/api/edit").map((one) => one.name).filter(Boolean), gone);
  }
}
