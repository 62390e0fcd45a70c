// A phone's browser that runs no scripts, for the Rust tests: of that width, and patient for so many milliseconds. It takes
// an order a line as JSON, and answers each with a line.
import { createInterface } from "node:readline";
import { launch } from "./browser.mjs";

const browser = await launch();
const page = await browser.newPage();
page.setDefaultTimeout(Number(process.argv[3]));
await page.setViewport({ width: Number(process.argv[2]), height: 812, isMobile: true, hasTouch: true });
await page.setJavaScriptEnabled(false);

/** Does what a finger does, in the middle of what is seen; the page that it leads to is waited for. */
async function tap(selector) {
    const element = await page.waitForSelector(selector, { visible: true });
    const leads = await element.evaluate((it) => it.matches("a, button"));
    const there = leads ? page.waitForNavigation({ waitUntil: "load" }) : null;
    await element.tap();
    await there;
}

const orders = {
    go: ({ url }) => page.goto(url, { waitUntil: "load" }).then(() => true),
    reload: () => page.reload({ waitUntil: "load" }).then(() => true),
    fill: async ({ selector, text }) => {
        await tap(selector);
        await page.keyboard.type(text);
        return true;
    },
    press: ({ selector }) => tap(selector).then(() => true),
    has: async ({ selector }) => (await page.$(selector)) !== null,
    text: async ({ selector }) => page.$eval(selector, (it) => it.innerText).catch(() => ""),
    /** By how many pixels the page is wider than the window. */
    overhang: async () => {
        const { cssContentSize, cssLayoutViewport } = await (await page.createCDPSession()).send("Page.getLayoutMetrics");
        return Math.max(0, Math.round(cssContentSize.width - cssLayoutViewport.clientWidth));
    },
};

for await (const line of createInterface({ input: process.stdin })) {
    const { order, ...what } = JSON.parse(line);
    const answer = await orders[order](what).then((done) => ({ done }), (error) => ({ error: String(error) }));
    process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
