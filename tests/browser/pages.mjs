// Checks pages: node pages.mjs FOLDER [--without-browser], for each FOLDER/*.html, with its styles in it. Markup by html-validate;
// accessibility by axe in Chromium, light and dark, narrow and wide; and that nothing sticks out. The files come from
// `POSTROUND_LOOK=FOLDER cargo test --test it web::shown`, in FOLDER/pages.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import axe from "axe-core";
import { HtmlValidate } from "html-validate";
import { barriers, launch, open, show } from "./browser.mjs";

/** Switched off is what is a matter of taste, and what would keep the boxes of one question from having one name. */
const RULES = { "long-title": "off", "doctype-style": "off", "form-dup-name": "off" };

const [folder, withoutBrowser] = process.argv.slice(2);
const names = (await readdir(folder)).filter((name) => name.endsWith(".html")).sort();
const validate = new HtmlValidate({ root: true, extends: ["html-validate:recommended", "html-validate:document"], rules: RULES });
const problems = new Set();
const browser = withoutBrowser ? undefined : await launch();
for (const name of names) {
    const report = await validate.validateString(await readFile(join(folder, name), "utf8"), name);
    for (const { line, ruleId, message } of report.results.flatMap((result) => result.messages)) {
        problems.add(`${name}: line ${line}: ${message} (${ruleId})`);
    }
    if (browser) for (const what of await inBrowser(name)) problems.add(`${name}: ${what}`);
}
await browser?.close();
for (const problem of [...problems].sort()) console.error(problem);
console.log(`${names.length} pages, ${problems.size} problems`);
process.exit(problems.size > 0 || names.length === 0 ? 1 : 0);

async function inBrowser(name) {
    const wrong = [];
    const page = await open(browser, join(folder, name));
    await page.evaluate(axe.source);
    for (const width of [320, 375, 600, 720, 1280]) {
        for (const dark of [false, true]) {
            await show(page, { width, dark });
            const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
            if (beyond > 0) wrong.push(`at ${width} px the page is ${beyond} px too wide`);
            if (width !== 375 && width !== 1280) continue;
            for (const what of await barriers(page)) wrong.push(`at ${width} px${dark ? ", dark" : ""}: ${what}`);
        }
    }
    await page.close();
    return wrong;
}
