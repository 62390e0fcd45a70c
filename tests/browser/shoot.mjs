// Pictures of mails: node shoot.mjs FOLDER NAME…, for FOLDER/NAME.html at 375 and 1280 px, light, dark and without pictures.
import { join } from "node:path";
import { launch, open } from "./browser.mjs";

const LOOKS = [
    ["375", { width: 375, scale: 2 }],
    ["375-dark", { width: 375, dark: true, scale: 2 }],
    ["375-blocked", { width: 375, pictures: false, scale: 2 }],
    ["1280", { width: 1280 }],
    ["1280-dark", { width: 1280, dark: true }],
    ["1280-blocked", { width: 1280, pictures: false }],
];

const [folder, ...names] = process.argv.slice(2);
const browser = await launch();
for (const name of names) {
    for (const [suffix, look] of LOOKS) {
        const page = await open(browser, join(folder, `${name}.html`), look);
        await page.screenshot({ path: join(folder, `${name}-${suffix}.png`), fullPage: true });
        await page.close();
    }
}
await browser.close();
