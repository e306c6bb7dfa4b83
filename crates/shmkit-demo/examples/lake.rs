//! Paints `assets/lake.png`, the picture that the demo shares when it is given none.
//!
//! ```text
//! cargo run --release -p shmkit-demo --example lake -- assets/lake.png
//! ```
//!
//! A mountain lake at dusk, made of nothing but value noise: the same on every machine.

use std::env;

use anyhow::{Context as _, Result};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ImageEncoder as _, Rgb, RgbImage};

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 800;
/// The water begins at this part of the height.
const SHORE: f64 = 0.70;
/// Samples a pixel, each way.
const FINE: u32 = 3;

type Colour = [f64; 3];

fn main() -> Result<()> {
    let path = env::args_os().nth(1).context("which file shall it be?")?;
    let picture = RgbImage::from_fn(WIDTH, HEIGHT, pixel);
    let file = std::fs::File::create(&path).with_context(|| format!("cannot create {path:?}"))?;
    PngEncoder::new_with_quality(file, CompressionType::Best, FilterType::Adaptive).write_image(
        &picture,
        WIDTH,
        HEIGHT,
        image::ExtendedColorType::Rgb8,
    )?;
    Ok(())
}

fn pixel(column: u32, row: u32) -> Rgb<u8> {
    let mut sum = [0.0; 3];
    for sample in 0..FINE * FINE {
        let part = |n: u32| (f64::from(n) + 0.5) / f64::from(FINE);
        let x = (f64::from(column) + part(sample % FINE)) / f64::from(HEIGHT);
        let y = (f64::from(row) + part(sample / FINE)) / f64::from(HEIGHT);
        sum = zip(sum, colour(x, y), |sum, part| sum + part);
    }
    Rgb(sum.map(|part| {
        let mean = part / f64::from(FINE * FINE);
        (mean.clamp(0.0, 1.0) * 255.0).round() as u8
    }))
}

/// The light from a point; `y` runs down from 0 to 1, `x` in the same unit.
fn colour(x: f64, y: f64) -> Colour {
    if y < SHORE {
        return land(x, y);
    }
    // The mirror image, drawn out by ripples that grow towards the viewer.
    let depth = (y - SHORE) / (1.0 - SHORE);
    let ripple = fbm(x * 9.0, 40.0 * depth.sqrt(), 90) - 0.5;
    let swell = fbm(x * 2.0, 110.0 * depth.sqrt(), 91) - 0.5;
    let far = SHORE - (y - SHORE) * 1.25 + (ripple * 0.10 + swell * 0.05) * depth.powf(0.8);
    let mirrored = land(x + ripple * 0.03 * depth, far.clamp(0.0, SHORE - 1e-6));
    let tint = [
        0.97 - 0.12 * depth,
        0.84 - 0.26 * depth,
        0.93 - 0.42 * depth,
    ];
    let dark = zip(mirrored, tint, |light, tint| light * tint + 0.012);
    let line = (1.0 - depth * 90.0).max(0.0);
    mix(dark, [0.75, 0.52, 0.45], line * 0.35)
}

/// The sky, and before it the ranges, far to near.
fn land(x: f64, y: f64) -> Colour {
    const RANGES: [Range; 5] = [
        Range {
            base: 0.520,
            height: 0.200,
            scale: 1.7,
            seed: 11,
            tone: [0.56, 0.40, 0.52],
        },
        Range {
            base: 0.575,
            height: 0.210,
            scale: 2.1,
            seed: 27,
            tone: [0.40, 0.28, 0.43],
        },
        Range {
            base: 0.630,
            height: 0.170,
            scale: 2.9,
            seed: 35,
            tone: [0.25, 0.19, 0.34],
        },
        Range {
            base: 0.680,
            height: 0.130,
            scale: 3.7,
            seed: 43,
            tone: [0.13, 0.115, 0.225],
        },
        Range {
            base: 0.725,
            height: 0.090,
            scale: 5.3,
            seed: 58,
            tone: [0.055, 0.058, 0.115],
        },
    ];
    let mut light = sky(x, y);
    for (nearness, range) in RANGES.iter().enumerate() {
        let crest = range.crest(x) - if nearness == 4 { trees(x) } else { 0.0 };
        if y >= crest {
            // Haze gathers in the valleys; the flanks are uneven, less so far away.
            let haze = ((y - crest) / 0.16).clamp(0.0, 1.0) * (0.34 - 0.065 * nearness as f64);
            let flank = fbm(x * 14.0 + y * 9.0, y * 22.0 - x * 6.0, range.seed + 3) - 0.5;
            let tone = range.tone.map(|part| part * (1.0 + flank * 0.22));
            light = mix(tone, [0.88, 0.58, 0.50], haze);
        }
    }
    light
}

const SUN: (f64, f64) = (1.06, 0.415);

fn sky(x: f64, y: f64) -> Colour {
    const STOPS: [(f64, Colour); 6] = [
        (0.00, [0.075, 0.085, 0.215]),
        (0.16, [0.165, 0.150, 0.345]),
        (0.30, [0.400, 0.255, 0.465]),
        (0.41, [0.780, 0.400, 0.430]),
        (0.50, [0.975, 0.640, 0.400]),
        (0.62, [1.000, 0.820, 0.560]),
    ];
    let above = STOPS.iter().rposition(|stop| stop.0 <= y).unwrap_or(0);
    let [from, to] = [STOPS[above], STOPS[(above + 1).min(STOPS.len() - 1)]];
    let part = ((y - from.0) / (to.0 - from.0).max(1e-9)).clamp(0.0, 1.0);
    let mut light = mix(from.1, to.1, part);

    let away = (x - SUN.0).hypot(y - SUN.1);
    light = zip(light, [1.0, 0.72, 0.42], |sky, glow| {
        sky + glow * 0.42 * (-away * 5.5).exp()
    });
    light = stars(x, y, light);

    // Bands of cloud, lit from below where they are near the sun.
    let thick = fbm(x * 1.6 + 3.0, y * 9.5 + 0.6 * fbm(x * 3.0, y * 6.0, 71), 70);
    let cover = smooth(0.50, 0.80, thick) * smooth(0.02, 0.14, y) * (1.0 - smooth(0.44, 0.56, y));
    let warm = mix(
        [0.33, 0.23, 0.41],
        [1.0, 0.60, 0.44],
        (-away * 2.3).exp() * 1.25,
    );
    light = mix(light, warm, cover * 0.75);

    let disc = 1.0 - smooth(0.0465, 0.0480, away);
    mix(light, [1.0, 0.955, 0.82], disc * (1.0 - cover * 0.35))
}

fn stars(x: f64, y: f64, sky: Colour) -> Colour {
    const CELL: f64 = 0.022;
    let (column, row) = ((x / CELL).floor(), (y / CELL).floor());
    let chance = |salt| hash(column as i64, row as i64, salt);
    if chance(80) < 0.80 {
        return sky;
    }
    let place = |corner: f64, salt| (corner + 0.2 + 0.6 * chance(salt)) * CELL;
    let away = (x - place(column, 81)).hypot(y - place(row, 82));
    let size = 0.0006 + 0.0009 * chance(83).powi(4);
    let bright = (1.0 - smooth(size * 0.4, size * 1.6, away)) * (1.0 - smooth(0.05, 0.26, y));
    mix(sky, [0.95, 0.95, 1.0], bright * (0.35 + 0.65 * chance(84)))
}

struct Range {
    base: f64,
    height: f64,
    scale: f64,
    seed: i64,
    tone: Colour,
}

impl Range {
    /// How far down the top of the range stands at `x`.
    fn crest(&self, x: f64) -> f64 {
        let mut sum = 0.0;
        let (mut scale, mut weight, mut total) = (self.scale, 1.0, 0.0);
        for octave in 0..6 {
            // Folded noise: sharp ridges, wide valleys.
            let fold = 1.0 - (noise(x * scale, 7.5, self.seed + octave) * 2.0 - 1.0).abs();
            sum += fold * fold * weight;
            total += weight;
            scale *= 2.13;
            weight *= 0.46;
        }
        self.base - self.height * (sum / total - 0.22)
    }
}

/// How far firs reach above the nearest range at `x`.
fn trees(x: f64) -> f64 {
    let mut top: f64 = 0.0;
    for (spacing, tallest, salt) in [
        (0.0105, 0.040, 60),
        (0.0072, 0.028, 61),
        (0.0051, 0.019, 62),
    ] {
        let wood = smooth(0.30, 0.62, noise(x * 3.1, 0.5, 63));
        let slot = (x / spacing).floor();
        for near in [slot - 1.0, slot, slot + 1.0] {
            let at = (near + 0.2 + 0.6 * hash(near as i64, 1, salt)) * spacing;
            let height = tallest * wood * (0.35 + 0.65 * hash(near as i64, 2, salt));
            let from_top = (x - at).abs() / 0.17;
            // Branches: the outline steps outwards a few times on its way down.
            let step = height / 7.0;
            let down = (from_top / step.max(1e-9)).ceil() * step * 0.55 + from_top * 0.45;
            top = top.max(height - down);
        }
    }
    top
}

/// Several octaves of noise, 0 to 1.
fn fbm(x: f64, y: f64, seed: i64) -> f64 {
    let (mut sum, mut weight, mut total) = (0.0, 1.0, 0.0);
    for octave in 0..4 {
        let scale = f64::from(1 << octave);
        sum += noise(x * scale, y * scale, seed * 17 + i64::from(octave)) * weight;
        total += weight;
        weight *= 0.5;
    }
    sum / total
}

/// Smoothly joined random heights on a grid, 0 to 1.
fn noise(x: f64, y: f64, seed: i64) -> f64 {
    let (column, row) = (x.floor(), y.floor());
    let height = |right, down| hash(column as i64 + right, row as i64 + down, seed);
    let [across, along] = [x - column, y - row].map(|t| t * t * t * (t * (t * 6.0 - 15.0) + 10.0));
    let between = |a: f64, b: f64, part: f64| a + (b - a) * part;
    between(
        between(height(0, 0), height(1, 0), across),
        between(height(0, 1), height(1, 1), across),
        along,
    )
}

/// A number from 0 to 1 that only depends on the arguments.
fn hash(x: i64, y: i64, seed: i64) -> f64 {
    let mut bits = (x as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ (y as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F)
        ^ (seed as u64).wrapping_mul(0x1656_67B1_9E37_79F9);
    for _ in 0..2 {
        bits = (bits ^ (bits >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits ^= bits >> 32;
    }
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

fn smooth(from: f64, to: f64, value: f64) -> f64 {
    let part = ((value - from) / (to - from)).clamp(0.0, 1.0);
    part * part * (3.0 - 2.0 * part)
}

fn mix(from: Colour, to: Colour, part: f64) -> Colour {
    let part = part.clamp(0.0, 1.0);
    zip(from, to, |from, to| from + (to - from) * part)
}

fn zip(one: Colour, other: Colour, join: impl Fn(f64, f64) -> f64) -> Colour {
    std::array::from_fn(|part| join(one[part], other[part]))
}
