// Pictures of mails to look at: node shoot.mjs FOLDER NAME…, of FOLDER/NAME.html at 375 and 1280 px, light, dark and without
// pictures; and NAME.png, a small sheet of them all, as in docs/images. The files come from
// `POSTROUND_LOOK=FOLDER cargo test --test it render::`.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dress, launch, open } from "./browser.mjs";
import { encode } from "./palette.mjs";

const LOOKS = [
    ["375", { width: 375, scale: 2 }],
    ["375-dark", { width: 375, dark: true, scale: 2 }],
    ["375-blocked", { width: 375, pictures: false, scale: 2 }],
    ["1280", { width: 1280 }],
    ["1280-dark", { width: 1280, dark: true }],
    ["1280-blocked", { width: 1280, pictures: false }],
];
/** How high the mails on a sheet are shown at most, and how wide, in pixels. */
const HEIGHT = 480;
const WIDTHS = { 375: 110, 1280: 200 };

const [folder, ...names] = process.argv.slice(2);
const browser = await launch();
for (const name of names) {
    const taken = [];
    for (const [suffix, look] of LOOKS) {
        const page = await open(browser, join(folder, `${name}.html`), look);
        await dress(page);
        const path = join(folder, `${name}-${suffix}.png`);
        await page.screenshot({ path, fullPage: true });
        await page.close();
        taken.push({ path, width: WIDTHS[look.width] });
    }
    await sheet(name, taken);
}
await browser.close();

async function sheet(name, taken) {
    const shown = async ({ path, width }) => {
        const crop = width === WIDTHS[1280] ? "object-fit:cover;object-position:top" : "";
        return `<div style="width:${width}px"><img style="width:100%;${crop}" src="data:image/png;base64,${await readFile(path, "base64")}"></div>`;
    };
    const page = await browser.newPage();
    const cells = await Promise.all(taken.map(shown));
    await page.setViewport({ width: 12 + taken.reduce((sum, { width }) => sum + width + 12, 0), height: HEIGHT + 24 });
    await page.setContent(
        `<style>body{margin:12px;background:#d8d8d8;display:flex;gap:12px}div{max-height:${HEIGHT}px;overflow:hidden}img{display:block}</style>${cells.join("")}`,
    );
    const shot = await page.screenshot({ encoding: "base64" });
    const { width, height, pixels } = await page.evaluate(pixelsOf, `data:image/png;base64,${shot}`);
    await writeFile(join(folder, `${name}.png`), encode(Buffer.from(pixels, "base64"), width, height));
    await page.close();
}

/** Runs in the page. */
async function pixelsOf(address) {
    const picture = new Image();
    picture.src = address;
    await picture.decode();
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    const bytes = context.getImageData(0, 0, picture.width, picture.height).data;
    let text = "";
    for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
    return { width: picture.width, height: picture.height, pixels: btoa(text) };
}
