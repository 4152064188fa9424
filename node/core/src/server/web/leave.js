"use strict";
// Sends files in pieces, and goes on where it broke off, also after the page was opened again.
(() => {
  const PIECE = 8 * 1024 * 1024;
  const form = document.querySelector("form[data-leave]");
  const input = form.querySelector("input[type=file]");
  const list = document.querySelector("#sent");
  const files = form.getAttribute("action") + "/files";
  const wait = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
  const key = (file) => ["sixhop", files, file.name, file.size, file.lastModified].join(":");
  const kept = {
    get: (file) => { try { return localStorage.getItem(key(file)); } catch { return null; } },
    set: (file, upload) => { try { localStorage.setItem(key(file), upload); } catch { /* it goes on in this page alone */ } },
    drop: (file) => { try { localStorage.removeItem(key(file)); } catch { /* nothing was kept */ } },
  };

  async function ask(path, options) {
    for (let tries = 0; ; tries += 1) {
      try {
        const answer = await fetch(path, options);
        const said = await answer.json();
        if (answer.ok || answer.status !== 503) return { status: answer.status, said };
      } catch { /* cut: try again */ }
      if (tries >= 60) throw new Error("The connection is gone. Choose the file again to go on.");
      await wait(Math.min(1 + tries, 10));
    }
  }

  async function begin(file) {
    const upload = kept.get(file);
    if (upload) {
      const known = await ask(`${files}/${upload}`, {});
      if (known.status === 200 && !known.said.done) return { upload, ...known.said };
      kept.drop(file);
    }
    const query = new URLSearchParams({ name: file.name, size: file.size });
    const begun = await ask(`${files}?${query}`, { method: "POST" });
    if (begun.status !== 201) throw new Error(begun.said.error);
    kept.set(file, begun.said.upload);
    return begun.said;
  }

  async function send(file) {
    const row = document.createElement("li");
    const text = document.createElement("span");
    const bar = document.createElement("progress");
    bar.max = Math.max(file.size, 1);
    bar.setAttribute("aria-label", file.name);
    text.textContent = file.name;
    row.append(text, bar);
    list.append(row);
    try {
      let { upload, offset } = await begin(file);
      for (;;) {
        bar.value = offset;
        const piece = file.slice(offset, offset + PIECE);
        let answer;
        try {
          const sent = await fetch(`${files}/${upload}`, { method: "POST", headers: { "Upload-Offset": offset }, body: piece });
          answer = { status: sent.status, said: await sent.json() };
        } catch {
          answer = await ask(`${files}/${upload}`, {});
        }
        if (answer.said.done) {
          bar.value = bar.max;
          text.textContent = `${file.name}: arrived as ${answer.said.name}`;
          kept.drop(file);
          return;
        }
        if (typeof answer.said.offset !== "number") throw new Error(answer.said.error);
        if (answer.status === 503) await wait(2);
        offset = answer.said.offset;
      }
    } catch (error) {
      text.textContent = `${file.name}: ${error.message}`;
      row.className = "note";
    }
  }

  async function sendAll(chosen) {
    for (const file of chosen) await send(file);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = [...input.files];
    form.reset();
    sendAll(chosen);
  });
  const drop = document.querySelector(".drop");
  drop.addEventListener("dragover", (event) => event.preventDefault());
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    sendAll([...event.dataTransfer.files]);
  });
})();
