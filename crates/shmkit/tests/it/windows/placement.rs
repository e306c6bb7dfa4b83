//! Where pages are, as far as Windows lets anybody say.

use shmkit::{Advice, ErrorKind, HugePages, Nodes, Options, SharedMemory, Wish};

use crate::support::TestKey;

const MIB: usize = 1 << 20;

fn options() -> Options {
    let mut options = SharedMemory::options();
    options.size(MIB);
    options
}

#[test]
fn what_windows_can_do_changes_no_byte() {
    let segment = options().memfd("placed").unwrap();
    segment.view_mut().unwrap().fill(9);
    for advice in [Advice::Normal, Advice::WillNeed, Advice::Cold] {
        segment.advise(5000..6000, advice).unwrap();
        segment.advise(.., advice).unwrap();
    }
    segment.populate(.., |_| {}).unwrap();
    segment.lock_in_memory(..8192).unwrap();
    segment.unlock_from_memory(..8192).unwrap();
    assert_eq!(segment.view().to_vec(), vec![9; MIB]);
    let error = segment.advise(..MIB + 1, Advice::Normal).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfBounds);
}

#[test]
fn what_it_cannot_do_is_unsupported_with_a_reason() {
    let key = TestKey::named();
    let segment = SharedMemory::create(&key, MIB).unwrap();
    for advice in [
        Advice::Sequential,
        Advice::Random,
        Advice::InDumps,
        Advice::NotInDumps,
    ] {
        let error = segment.advise(.., advice).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("Windows"), "{error}");
    }
    let error = segment.bind(.., &Nodes::Preferred(0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let hint = options()
        .huge_pages(HugePages::Transparent, Wish::Hint)
        .memfd("hint")
        .unwrap();
    assert!(
        hint.warnings()[0].contains("at once"),
        "{:?}",
        hint.warnings()
    );
    let error = options()
        .huge_pages(HugePages::Transparent, Wish::Demand)
        .memfd("demand")
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

/// They need a privilege that hardly anybody has; Wine asks for none.
#[test]
fn large_pages_are_there_or_the_reason_is() {
    let mut demand = options();
    demand.huge_pages(HugePages::Reserved, Wish::Demand);
    match demand.memfd("large") {
        Ok(segment) => {
            assert!(segment.size().is_multiple_of(2 * MIB));
            segment.write_at(segment.size() - 1, b"x").unwrap();
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("no large pages"), "{error}");
            demand.huge_pages(HugePages::Reserved, Wish::Hint);
            let segment = demand.memfd("not large").unwrap();
            assert!(segment.warnings()[0].contains("no large pages"));
        }
    }
    demand.huge_pages(HugePages::ReservedOf(12_345), Wish::Demand);
    let error = demand.memfd("odd").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("no large pages"), "{error}");
}
