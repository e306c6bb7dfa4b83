//! `docs/FORMAT.md` says what the bytes of a segment are; this is whether that is so.

#![expect(unsafe_code, reason = "the bytes of a value")]

use std::fs;
use std::io::Write as _;
use std::mem::offset_of;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU16};

use shmkit::ShmSafe;
use shmkit::layout::{Layout, Schema};
use shmkit::typed::{ArrayString, ArrayVec, RingBuffer};
#[cfg(unix)]
use shmkit_testkit::python_command;
use shmkit_testkit::{Scratch, workspace_root};

#[derive(ShmSafe, Clone, Copy)]
#[repr(i8)]
enum Mode {
    Idle,
    Running = 10,
    Failed = -1,
}

#[derive(ShmSafe, Clone, Copy)]
#[repr(u32)]
#[shmkit(version = 4_000_000_000)]
enum Wide {
    None,
    All = 255,
}

#[derive(ShmSafe)]
#[repr(C)]
struct Numbers {
    a: u64,
    b: i64,
    c: f64,
    d: u32,
    e: i32,
    f: f32,
    g: u16,
    h: i16,
    i: u8,
    j: i8,
    k: bool,
    _pad: [u8; 1],
    l: AtomicU16,
    m: AtomicBool,
    n: (),
    r#type: u8,
}

#[derive(ShmSafe, Clone, Copy)]
#[repr(C)]
#[shmkit(name = "Punkt")]
struct Point(f32, f32);

#[derive(ShmSafe)]
#[repr(C, align(64))]
#[shmkit(version = 2)]
struct Camera<const N: usize> {
    frames: AtomicI64,
    corners: [[Point; 2]; N],
    mode: Mode,
    größe: u8,
    _pad: [u8; 2],
    wide: Wide,
    name: ArrayString<12>,
    peers: ArrayVec<u64, 3>,
    history: RingBuffer<u16, 4>,
    last: ArrayVec<Point, 1>,
}

/// The layouts of the examples in the document, in their order.
const EXAMPLES: [&Layout; 6] = [
    u8::LAYOUT,
    <[[f32; 4]; 0]>::LAYOUT,
    Mode::LAYOUT,
    Wide::LAYOUT,
    Numbers::LAYOUT,
    Camera::<2>::LAYOUT,
];

// As the document says, on each processor for which the tests are compiled.
const _: () = {
    assert!(size_of::<Camera<2>>() == 128 && offset_of!(Camera<2>, peers) == 64);
    assert!(Camera::<2>::LAYOUT_HASH == 0xDBC0_600A_FAFC_B5C8);
    assert!(Numbers::LAYOUT_HASH == 0x7C94_3781_2979_BF7A);
};

fn document() -> String {
    fs::read_to_string(workspace_root().join("docs/FORMAT.md")).unwrap()
}

/// The contents of the first block of code in that language after that heading.
fn block<'a>(document: &'a str, heading: &str, language: &str) -> &'a str {
    let (_, section) = document.split_once(heading).unwrap();
    let (_, block) = section.split_once(&format!("```{language}\n")).unwrap();
    block.split_once("```").unwrap().0
}

#[test]
fn the_examples_are_what_the_types_are() {
    let document = document();
    let examples = block(&document, "## Examples", "text");
    let expected = EXAMPLES.map(|layout| format!("{:016x} {}\n", layout.hash(), layout.text()));
    assert_eq!(examples, expected.concat());
}

#[test]
fn the_examples_are_read_as_the_types() {
    for layout in EXAMPLES {
        assert_eq!(Schema::parse(&layout.text()), Ok(Schema::from(layout)));
    }
}

#[test]
#[cfg(unix)]
fn python_computes_the_same_hashes() {
    let document = document();
    let program = format!(
        "{}\nimport sys\nfor text in sys.argv[1:]:\n    print(f'{{layout_hash(text):016x}}')",
        block(&document, "## The hash", "python")
    );
    let texts = EXAMPLES.map(Layout::text);
    let mut command = python_command(program, &texts.each_ref().map(String::as_str));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let expected = EXAMPLES.map(|layout| format!("{:016x}\n", layout.hash()));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected.concat());
}

/// The bytes of a value of a type with everything in it.
fn camera() -> Vec<u8> {
    let mut history: RingBuffer<u16, 4> = (1..=4).collect();
    history.push_overwrite(5);
    let camera = Camera {
        frames: AtomicI64::new(-7),
        corners: [[Point(0.5, 1.0), Point(2.0, 3.0)], [Point(-1.0, 1e10); 2]],
        mode: Mode::Failed,
        größe: 3,
        _pad: [0; 2],
        wide: Wide::All,
        name: "front".parse().unwrap(),
        peers: [10, 11].into_iter().collect(),
        history,
        last: [Point(4.0, 5.0)].into(),
    };
    let _ = (Mode::Idle, Mode::Running, Wide::None);
    // SAFETY: the value is there, and the bytes are in fields, or were copied as such.
    let bytes = unsafe {
        std::slice::from_raw_parts((&raw const camera).cast::<u8>(), size_of_val(&camera))
    };
    bytes.to_vec()
}

/// What a reader without the type sees.
fn shown(bytes: &[u8]) -> Vec<String> {
    let text = Camera::<2>::LAYOUT.text();
    let schema = Schema::parse(&text).unwrap();
    let leaves = schema.decode(bytes).unwrap();
    leaves
        .map(|leaf| format!("{} = {}", leaf.path, leaf.value))
        .collect()
}

#[test]
fn a_value_is_shown_without_its_type() {
    assert_eq!(
        shown(&camera()),
        [
            "frames = -7",
            "corners[0][0].0 = 0.5",
            "corners[0][0].1 = 1",
            "corners[0][1].0 = 2",
            "corners[0][1].1 = 3",
            "corners[1][0].0 = -1",
            "corners[1][0].1 = 10000000000",
            "corners[1][1].0 = -1",
            "corners[1][1].1 = 10000000000",
            "mode = Failed",
            "größe = 3",
            "_pad = 0000",
            "wide = All",
            "name = \"front\"",
            "peers[0] = 10",
            "peers[1] = 11",
            "history[0] = 2",
            "history[1] = 3",
            "history[2] = 4",
            "history[3] = 5",
            "last[0].0 = 4",
            "last[0].1 = 5",
        ]
    );
}

#[test]
fn a_program_in_c_reads_and_writes_the_same_value() {
    let source = workspace_root().join("crates/shmkit/tests/it/format.c");
    let scratch = Scratch::new();
    let program = scratch.join("format");
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-o"]);
    match compiler.arg(&program).arg(source).status() {
        Ok(status) => assert!(status.success(), "it does not compile"),
        Err(error) => return println!("skipped: no C compiler: {error}"),
    }

    let layout = Camera::<2>::LAYOUT;
    let mut reader = Command::new(program);
    reader.arg(layout.text());
    reader.stdin(Stdio::piped());
    reader.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut reader = reader.spawn().unwrap();
    let mut bytes = reader.stdin.take().unwrap();
    bytes.write_all(&camera()).unwrap();
    drop(bytes);
    let output = reader.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert_eq!(
        said,
        format!(
            "hash {:016x}\nframes -7, corner 1e+10, mode -1, size 3, wide 255\nname front\n\
             peer 10\npeer 11\nhistory 2\nhistory 3\nhistory 4\nhistory 5\nlast 5\n",
            layout.hash()
        )
    );
    let after = shown(&output.stdout);
    let before = shown(&camera());
    let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    let by_c = [
        "frames = -6",
        "name = \"by C\"",
        "peers[2] = 18446744073709551615",
    ];
    assert_eq!(new, by_c);
}
