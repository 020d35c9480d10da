use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn all(unit: &[u8], limit: u64) -> (Vec<u8>, Option<StreamError>) {
    let mut inflate = Inflate::new(unit, INPUT_BYTES, limit);
    let (mut out, mut buffer) = (Vec::new(), [0; 7]);
    loop {
        match inflate.read(&mut buffer).unwrap() {
            Inflated::Bytes(count) => out.extend_from_slice(&buffer[..count]),
            Inflated::End(fault) => return (out, fault),
        }
    }
}

#[test]
fn plain_bytes_pass_unchanged() {
    for text in [&b""[..], b"\x1f", b"\x1fx", b"{\"Records\":[]}"] {
        assert_eq!(all(text, 100), (text.to_vec(), None));
    }
}

#[test]
fn members_in_a_row_are_one_stream_even_when_they_are_equal() {
    let unit = [gzip(b"same"), gzip(b"same"), gzip(b""), gzip(b"last")].concat();
    assert_eq!(all(&unit, 100), (b"samesamelast".to_vec(), None));
}

#[test]
fn zeros_after_the_last_member_are_padding() {
    let unit = [gzip(b"text"), vec![0; 100_000]].concat();
    assert_eq!(all(&unit, 100), (b"text".to_vec(), None));
}

#[test]
fn gzip_in_gzip_is_inflated_again_within_the_limit_each_time() {
    let members = [gzip(b"one "), gzip(b"two")];
    let lines = members.join(&b'\n');
    for unit in [
        gzip(&gzip(b"one two")),
        gzip(&members.concat()),
        gzip(&[&lines[..], b"\n"].concat()),
        [&lines[..], b"\r\n \t", &[0; 9]].concat(),
        [gzip(&members[0]), gzip(&members[1])].concat(),
        gzip(&gzip(&gzip(&members.concat()))),
    ] {
        assert_eq!(all(&unit, 100), (b"one two".to_vec(), None));
        let inner_is_long = (b"one tw".to_vec(), Some(StreamError::TooLarge));
        assert!(
            [inner_is_long, (Vec::new(), Some(StreamError::TooLarge))].contains(&all(&unit, 6))
        );
    }
    // The inner stream is longer than the limit, what it inflates to is not.
    let bomb = gzip(&gzip(b"").repeat(1_000));
    let (out, fault) = all(&bomb, 1_000);
    assert_eq!((out.len(), fault), (0, Some(StreamError::TooLarge)));
    let mut deep = gzip(b"text");
    (0..3).for_each(|_| deep = gzip(&deep));
    assert_eq!(all(&deep, 1_000), (b"text".to_vec(), None));
    let (out, fault) = all(&gzip(&deep), 1_000);
    let Some(StreamError::Damaged(detail)) = fault else {
        panic!("{fault:?}");
    };
    assert!(
        out.is_empty() && detail.contains("more than 4 times"),
        "{detail}"
    );
}

#[test]
fn what_is_wrong_with_gzip_inside_costs_nothing_before_it_and_says_so() {
    let inner = [gzip(b"text"), gzip(b"more")].concat();
    let (out, fault) = all(&gzip(&inner[..inner.len() - 3]), 100);
    assert_eq!(
        (out, fault),
        (b"textmore".to_vec(), Some(StreamError::Truncated))
    );
    let outer = gzip(&inner);
    for cut in 2..outer.len() {
        let (out, fault) = all(&outer[..cut], 100);
        assert_eq!(fault, Some(StreamError::Truncated), "cut at {cut}");
        // Of one byte nobody can tell what it begins.
        assert!(
            b"textmore".starts_with(&out[..]) || out == MAGIC[..1],
            "cut at {cut}"
        );
    }
    let (out, fault) = all(&gzip(&[&inner[..], b"garbage"].concat()), 100);
    assert_eq!(out, b"textmore");
    let Some(StreamError::Damaged(detail)) = fault else {
        panic!("{fault:?}");
    };
    assert!(detail.contains(" of the gzip inside "), "{detail}");
}

#[test]
fn garbage_after_the_last_member_is_a_fault_that_names_the_byte() {
    let member = gzip(b"text");
    let unit = [&member[..], b"garbage"].concat();
    let (out, fault) = all(&unit, 100);
    assert_eq!(out, b"text");
    let Some(StreamError::Damaged(detail)) = fault else {
        panic!("{fault:?}");
    };
    assert!(
        detail.contains(&format!("byte {} ", member.len())),
        "{detail}"
    );
}

#[test]
fn every_cut_is_a_truncation_and_keeps_what_came_before() {
    let content: Vec<u8> = (0..2_000u32).flat_map(u32::to_le_bytes).collect();
    let unit = gzip(&content);
    let mut longest = 0;
    for cut in 2..unit.len() {
        let (out, fault) = all(&unit[..cut], u64::MAX);
        assert_eq!(fault, Some(StreamError::Truncated), "cut at {cut}");
        assert!(content.starts_with(&out));
        longest = longest.max(out.len());
    }
    assert_eq!(longest, content.len());
}

#[test]
fn a_wrong_checksum_is_damage() {
    let mut unit = gzip(b"some text");
    let checksum = unit.len() - 8;
    unit[checksum] ^= 1;
    let (out, fault) = all(&unit, 100);
    assert_eq!(out, b"some text");
    assert!(matches!(fault, Some(StreamError::Damaged(_))), "{fault:?}");
}

#[test]
fn the_limit_is_on_inflated_bytes_and_exact() {
    let bomb = gzip(&vec![b' '; 1 << 20]);
    assert!(bomb.len() < 2_000);
    let (out, fault) = all(&bomb, 1_000);
    assert_eq!((out.len(), fault), (1_000, Some(StreamError::TooLarge)));
    let (out, fault) = all(&bomb, 1 << 20);
    assert_eq!((out.len(), fault), (1 << 20, None));
    let (out, fault) = all(b"plain", 4);
    assert_eq!((out.len(), fault), (4, Some(StreamError::TooLarge)));
}
