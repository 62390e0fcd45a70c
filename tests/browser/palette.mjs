// Writes a picture as a PNG of at most 64 colours: small enough for the documentation.
import { crc32, deflateSync } from "node:zlib";

const COLOURS = 64;

/** A PNG with a palette, of RGBA pixels. */
export function encode(pixels, width, height) {
    const counts = new Map();
    for (let at = 0; at < pixels.length; at += 4) {
        const key = ((pixels[at] >> 3) << 10) | ((pixels[at + 1] >> 3) << 5) | (pixels[at + 2] >> 3);
        const sum = counts.get(key) ?? [0, 0, 0, 0];
        for (let part = 0; part < 3; part += 1) sum[part] += pixels[at + part];
        sum[3] += 1;
        counts.set(key, sum);
    }
    const frequent = [...counts.values()].sort((a, b) => b[3] - a[3]).slice(0, COLOURS);
    const palette = frequent.map(([red, green, blue, count]) => [red, green, blue].map((sum) => Math.round(sum / count)));
    const nearest = new Map();
    const find = (red, green, blue) => {
        const key = (red << 16) | (green << 8) | blue;
        if (!nearest.has(key)) {
            const distance = ([r, g, b]) => (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2;
            const far = palette.map(distance);
            nearest.set(key, far.indexOf(Math.min(...far)));
        }
        return nearest.get(key);
    };
    const rows = Buffer.alloc((width + 1) * height);
    for (let y = 0; y < height; y += 1) {
        for (let x = 0; x < width; x += 1) {
            const at = (y * width + x) * 4;
            rows[y * (width + 1) + 1 + x] = find(pixels[at], pixels[at + 1], pixels[at + 2]);
        }
    }
    const header = Buffer.alloc(13);
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    header.set([8, 3, 0, 0, 0], 8);
    const chunks = [chunk("IHDR", header), chunk("PLTE", Buffer.from(palette.flat())), chunk("IDAT", deflateSync(rows, { level: 9 }))];
    return Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), ...chunks, chunk("IEND", Buffer.alloc(0))]);
}

function chunk(name, data) {
    const body = Buffer.concat([Buffer.from(name), data]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(data.length, 0);
    ends.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}
