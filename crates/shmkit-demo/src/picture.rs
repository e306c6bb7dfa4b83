//! The picture: decoded, and turned into the frames of a short film.

use std::f64::consts::TAU;
use std::fmt;
use std::io::Cursor;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use image::{DynamicImage, ImageReader, imageops::FilterType};

use crate::{frame, units};

/// What is shared when the user names nothing.
const OURS: (&str, &[u8]) = ("lake.png", include_bytes!("../../../assets/lake.png"));

/// Larger pictures are made smaller, so that the demo takes seconds.
const LARGEST: u32 = 1920;

/// Bytes of a pixel: red, green, blue and opacity, as in `QImage::Format_RGBA8888`.
const PIXEL: usize = 4;

/// How much warmer and colder the light becomes in the course of the film.
const WARMTH: f64 = 40.0;

/// Pixels, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) name: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pixels: Vec<u8>,
}

impl Picture {
    /// Decodes the user's picture, or ours.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self> {
        let decoded = match path {
            Some(path) => ImageReader::open(path)
                .with_context(|| format!("cannot open the picture {}", path.display()))?
                .with_guessed_format()
                .with_context(|| format!("cannot read the picture {}", path.display()))?
                .decode()
                .with_context(|| {
                    let path = path.display();
                    format!("cannot decode {path} as a PNG, JPEG, GIF, WebP or BMP picture")
                })?,
            None => ImageReader::new(Cursor::new(OURS.1))
                .with_guessed_format()?
                .decode()?,
        };
        let name = path.map_or_else(|| OURS.0.to_owned(), |path| path.display().to_string());
        let pixels = fitted(decoded).into_rgba8();
        let (width, height) = pixels.dimensions();
        ensure!(width > 0 && height > 0, "the picture {name} is empty");
        Ok(Self {
            name,
            width,
            height,
            pixels: pixels.into_raw(),
        })
    }

    /// The checksum of the pixels.
    pub(crate) fn checksum(&self) -> u32 {
        frame::checksum(&self.pixels)
    }

    /// Frame `number` of a film of `of`: the picture turned sideways, in warmer or colder light.
    /// The last frame is the picture itself.
    pub(crate) fn frame(&self, number: u64, of: u64, frame: &mut Vec<u8>) {
        let part = number as f64 / of as f64;
        let warmth = (WARMTH * (TAU * part).sin()).round() as i8;
        let turn = (part * f64::from(self.width)) as usize % self.width as usize * PIXEL;
        let row = self.width as usize * PIXEL;

        frame.clear();
        for row in self.pixels.chunks_exact(row) {
            let (left, right) = row.split_at(turn);
            frame.extend_from_slice(right);
            frame.extend_from_slice(left);
        }
        for pixel in frame.as_chunks_mut::<PIXEL>().0 {
            pixel[0] = pixel[0].saturating_add_signed(warmth);
            pixel[2] = pixel[2].saturating_add_signed(warmth.saturating_neg());
        }
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            width,
            height,
            pixels,
        } = self;
        let size = units::bytes(pixels.len() as u64);
        write!(f, "{name}: {width} x {height}, {size} a frame")
    }
}

fn fitted(picture: DynamicImage) -> DynamicImage {
    if picture.width().max(picture.height()) <= LARGEST {
        return picture;
    }
    picture.resize(LARGEST, LARGEST, FilterType::Triangle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_frame_is_the_picture_itself() {
        let picture = Picture::load(None).unwrap();
        let mut frame = Vec::new();
        for of in [1, 2, 7, 400] {
            picture.frame(of, of, &mut frame);
            assert_eq!(frame, picture.pixels, "of {of}");
        }
        picture.frame(3, 7, &mut frame);
        assert_ne!(frame, picture.pixels);
        assert_eq!(frame.len(), picture.pixels.len());
    }
}
