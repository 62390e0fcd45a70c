// Where the parts of a digest stand in Chromium, held against what MJML makes of the same layout, layout.mjml. On a desk both are to
// be the same to the pixel. On a phone MJML keeps its edges; here each part has the paper's width, or that within narrow edges.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import mjml from "mjml";
import { open, show } from "./browser.mjs";

/** Each part: in the digest, and in MJML's. */
const PARTS = {
    paper: [".page.p", ".paper"],
    masthead: [".head h1", ".masthead > div"],
    "the lead picture": [".photo img", ".picture img"],
    "the lead headline": ["h2.lead", ".headline > div"],
    "the lead text": [".top .text", ".lead-text > div"],
    "a story": [".row .fit", ".story > div"],
    "a feature": [".col:not(.end2) h3", ".feature > div"],
    "the feature beside it": [".col.end2 h3", ".feature-beside > div"],
    "an interview": [".soft .fit", ".interview > div"],
    titles: [".list", ".titles > table"],
    "the footer": [".narrow", ".footer > div"],
};

/** How wide parts are on a phone. */
const ON_A_PHONE = [375, 327];

/** What stands elsewhere than by MJML, in the digest of that file. */
export async function misplaced(browser, file) {
    const layout = await readFile(join(import.meta.dirname, "layout.mjml"), "utf8");
    const { html } = mjml(layout, { keepComments: false });
    const pages = await Promise.all([file, `data:text/html;charset=utf-8,${encodeURIComponent(html)}`].map((place) => open(browser, place)));
    const problems = [];
    for (const width of [ON_A_PHONE[0], 1280]) {
        const [ours, theirs] = await Promise.all(pages.map((page, at) => measured(page, width, at)));
        for (const part of Object.keys(PARTS)) {
            const [is, should] = [ours[part], theirs[part]];
            const isSame = is && should && is.left === should.left && is.width === should.width;
            const isWider = is && should && is.width >= should.width && ON_A_PHONE.includes(is.width);
            const isRight = width === ON_A_PHONE[0] ? isWider : isSame;
            const said = (place) => (place ? `${place.width} px from ${place.left}` : "not there");
            if (!isRight) problems.push(`at ${width} px ${part} is ${said(is)}, and ${said(should)} by MJML`);
        }
    }
    await Promise.all(pages.map((page) => page.close()));
    return problems;
}

async function measured(page, width, at) {
    await show(page, { width });
    return page.evaluate(
        (parts, at) => {
            const found = Object.entries(parts).map(([part, selectors]) => [part, document.querySelector(selectors[at])?.getBoundingClientRect()]);
            return Object.fromEntries(found.map(([part, box]) => [part, box && { left: Math.round(box.left), width: Math.round(box.width) }]));
        },
        PARTS,
        at,
    );
}
