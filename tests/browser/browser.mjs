// Chromium for checks of mails and pages: pages at a width, in light or dark, with or without pictures.
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const PLACES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Starts Chromium without a window; nothing of it reaches the network by itself. */
export function launch() {
    const executablePath = PLACES.find((place) => place && existsSync(place));
    if (!executablePath) throw new Error(`no Chromium in ${PLACES.filter(Boolean).join(", ")}; set CHROMIUM to its path`);
    const quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
    return puppeteer.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic", ...quiet] });
}

/** Opens a file or an address as a reader would see it: `look` has width, dark, pictures and scale. */
export async function open(browser, place, look = {}) {
    const { width = 1280, dark = false, pictures = true, scale = 1 } = look;
    const page = await browser.newPage();
    await page.setViewport({ width, height: 900, deviceScaleFactor: scale, isMobile: width < 600 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
    await page.setRequestInterception(true);
    page.on("request", (request) => {
        const remote = request.resourceType() === "image" && !request.url().startsWith("data:");
        if (remote && !pictures) request.abort();
        else request.continue();
    });
    await page.goto(/^[a-z]+:\/\//.test(place) ? place : pathToFileURL(place).href, { waitUntil: "load" });
    return page;
}
