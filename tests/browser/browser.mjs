// Chromium for checks of mails and pages: at a width, in light or dark, with or without pictures, without the network.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const PLACES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const HERE = import.meta.dirname;

/** Starts Chromium without a window; nothing of it reaches the network by itself. */
export function launch() {
    const executablePath = PLACES.find((place) => place && existsSync(place));
    if (!executablePath) throw new Error(`no Chromium in ${PLACES.filter(Boolean).join(", ")}; set CHROMIUM to its path`);
    const quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
    const plain = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--hide-scrollbars"];
    return puppeteer.launch({ executablePath, args: [...plain, ...quiet] });
}

/**
 * Opens a file, or an address on this machine, as a reader would see it. `look` has width, dark, pictures (false: none are
 * loaded) and scale. Pictures of example sites are three of our own.
 */
export async function open(browser, place, look = {}) {
    const { pictures = true } = look;
    const page = await browser.newPage();
    await show(page, look);
    await page.setRequestInterception(true);
    page.on("request", async (request) => {
        const { protocol, hostname, pathname } = new URL(request.url());
        if (protocol === "file:" || protocol === "data:" || ["127.0.0.1", "localhost"].includes(hostname)) {
            return request.continue();
        }
        if (request.resourceType() !== "image" || !pictures) return request.abort();
        const name = pathname.includes("logo") ? "logo.svg" : /\/(0|wide)\.\w+$/.test(pathname) ? "lead.svg" : "thumb.svg";
        return request.respond({ contentType: "image/svg+xml", body: await readFile(join(HERE, "pictures", name)) });
    });
    await page.goto(/^(data:|[a-z]+:\/\/)/.test(place) ? place : pathToFileURL(place).href, { waitUntil: "load" });
    return page;
}

/** Shows what is open at another width, in light or dark. */
export async function show(page, { width = 1280, dark = false, scale = 1 }) {
    await page.setViewport({ width, height: 900, deviceScaleFactor: scale });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
}

/** What shuts somebody out of a page that axe has been loaded into, by all its rules but those. */
export async function barriers(page, without = []) {
    const rules = Object.fromEntries(without.map((id) => [id, { enabled: false }]));
    const { violations } = await page.evaluate((rules) => window.axe.run(document, { rules }), rules);
    return violations.map(({ id, help, nodes }) => `${help} (${id}): ${nodes[0].html.slice(0, 160)}`);
}

/** Fonts like those that readers have, for pictures: Georgia, and an Arabic one that goes with it. */
export async function dress(page) {
    const file = (name) => readFile(join(HERE, "node_modules/@fontsource", name), "base64");
    const face = async (family, weight, name) =>
        `@font-face{font-family:${family};font-weight:${weight};src:url(data:font/woff2;base64,${await file(name)})}`;
    const faces = ["Georgia", "'Segoe UI'"].flatMap((family) =>
        [400, 700].map((weight) =>
            face(family, weight, `noto-naskh-arabic/files/noto-naskh-arabic-arabic-${weight}-normal.woff2`).then(
                (text) => text.replace("}", ";unicode-range:U+600-6FF,U+750-77F,U+FB50-FDFF,U+FE70-FEFC}"),
            ),
        ),
    );
    for (const weight of [400, 700]) faces.push(face("Georgia", weight, `gelasio/files/gelasio-latin-${weight}-normal.woff2`));
    await page.addStyleTag({ content: (await Promise.all(faces)).join("\n") });
    await page.evaluate(() => document.fonts.ready);
}
