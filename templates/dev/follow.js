// Loads the mails again when a template or the configuration has been saved.
let last = null;

async function look() {
  try {
    const stamp = await (await fetch("/dev/stamp", { cache: "no-store" })).text();
    if (last !== null && stamp !== last) {
      for (const frame of document.querySelectorAll("iframe")) {
        frame.src = frame.getAttribute("src");
      }
    }
    last = stamp;
  } catch {
    // The server is being started again.
  }
  setTimeout(look, 700);
}

look();
