//! Listing and delivering from a bucket that is made up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use jiff::ToSpan;
use jiff::civil::date;

use super::left_out::Why;
use super::plan::Entry;
use super::source::{Found, Opened, Page, Root};

use super::*;
use crate::cli::args::when::When;
use crate::dead_letter::{OnDamage, Origin};
use crate::pipeline::Content;

const ACCOUNTS: [&str; 2] = ["111111111111", "222222222222"];
const REGIONS: [&str; 3] = ["eu-central-1", "us-east-1", "us-west-2"];
/// Noon of 2026-11-23.
const NOW: i64 = 1_795_435_200_000_000_000;

/// A bucket: keys, and what was asked of it.
#[derive(Debug, Default)]
struct Fake {
    files: BTreeMap<String, u64>,
    /// When all of them were last modified.
    modified: i64,
    /// Things of one page.
    page: usize,
    asked: Arc<Mutex<Vec<String>>>,
    /// Requests that fail before the first answer.
    fails: Mutex<usize>,
    denied: Option<String>,
    /// Days cannot be listed: the credentials have expired.
    expired: bool,
    /// Files that cannot be read: a part of their keys, and why.
    unread: Option<(&'static str, source::Error)>,
}

impl Fake {
    fn new(keys: impl IntoIterator<Item = String>) -> Self {
        Fake {
            files: keys.into_iter().map(|key| (key, 10)).collect(),
            page: 1000,
            modified: NOW,
            ..Fake::default()
        }
    }

    /// A file for each day, account and region.
    fn organization(days: i32) -> Self {
        let first = date(2024, 1, 1);
        let mut keys = vec!["AWSLogs/o-abc/111111111111/Config/x.json".to_owned()];
        for day in 0..days {
            let day = first.checked_add(day.days()).unwrap();
            for account in ACCOUNTS {
                for region in REGIONS {
                    let (folder, stamp) = (day.strftime("%Y/%m/%d"), day.strftime("%Y%m%d"));
                    keys.push(format!(
                        "AWSLogs/o-abc/{account}/CloudTrail/{region}/{folder}/{account}_CloudTrail_{region}_{stamp}T1200Z_x.json.gz"
                    ));
                }
            }
        }
        Fake::new(keys)
    }
}

impl Source for Fake {
    const LISTERS: usize = 8;

    fn base(&self) -> String {
        String::new()
    }

    fn name(&self, key: &[u8]) -> String {
        format!("s3://fake/{}", String::from_utf8_lossy(key))
    }

    async fn root(&self, _: &Status) -> Result<Root, source::Error> {
        Ok(Root {
            folder: Some(Vec::new()),
            files: Vec::new(),
        })
    }

    async fn page(
        &self,
        folder: &[u8],
        token: Option<String>,
        status: &Status,
    ) -> Result<Page, source::Error> {
        let folder = String::from_utf8_lossy(folder).into_owned();
        Status::count(&status.requests, 1);
        self.asked.lock().unwrap().push(folder.clone());
        {
            let mut fails = self.fails.lock().unwrap();
            if *fails > 0 {
                *fails -= 1;
                return Err(source::Error::Passing("503 SlowDown".to_owned()));
            }
        }
        if self.denied.as_ref() == Some(&folder) {
            return Err(source::Error::Denied("AccessDenied".to_owned()));
        }
        if self.expired && folder.matches('/').count() > 7 {
            return Err(source::Error::Setup("ExpiredToken".to_owned()));
        }
        let (mut page, mut folders) = (Page::default(), BTreeSet::new());
        let after = token.unwrap_or_default();
        for (key, bytes) in self.files.range(folder.clone()..) {
            let Some(rest) = key.strip_prefix(&folder) else {
                break;
            };
            let (thing, is_folder) = match rest.split_once('/') {
                Some((name, _)) => (format!("{folder}{name}/"), true),
                None => (key.clone(), false),
            };
            if thing <= after || folders.contains(&thing) {
                continue;
            }
            if folders.len() + page.files.len() == self.page {
                break;
            }
            page.next = Some(thing.clone());
            if is_folder {
                folders.insert(thing);
            } else {
                page.files.push(Found {
                    key: key.clone().into_bytes(),
                    bytes: *bytes,
                    modified: Some(self.modified),
                    identity: bytes.to_be_bytes().to_vec(),
                });
            }
        }
        // As S3: a token only where there is more.
        if folders.len() + page.files.len() < self.page {
            page.next = None;
        }
        page.folders = folders.into_iter().map(String::into_bytes).collect();
        Ok(page)
    }

    async fn open(&self, file: &Entry, _: &CancellationToken) -> Result<Opened, source::Error> {
        let key = String::from_utf8_lossy(&file.position.1);
        if let Some((region, error)) = &self.unread
            && key.contains(region)
        {
            return Err(error.clone());
        }
        Ok(Opened {
            origin: Origin {
                input: "backfill",
                name: key.into(),
                observed: Some(file.position.0),
                on_damage: OnDamage::NamePlace,
            },
            content: Content::Bytes(r#"{"Records":[]}"#.into()),
            _memory: None,
        })
    }
}

fn between(from: &str, to: &str) -> Wanted {
    Wanted {
        from: When::parse(from).unwrap().first(NOW),
        to: When::parse(to).unwrap().end(NOW),
        accounts: BTreeSet::new(),
        regions: BTreeSet::new(),
        exclude: globset::GlobSet::empty(),
    }
}

/// What is found, and the number of requests.
async fn list(fake: Fake, wanted: Wanted) -> (Listed, u64) {
    let status = Arc::new(Status::default());
    let stop = CancellationToken::new();
    let backfill = Backfill::new(fake, None, None, Arc::clone(&status), stop);
    let listed = backfill.list(wanted).await.unwrap();
    (listed, status.requests.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_range_of_two_days_in_three_years_takes_a_few_requests() {
    let wanted = between("2025-03-31", "2025-04-01");
    let (listed, requests) = list(Fake::organization(1000), wanted).await;
    assert_eq!(listed.left.files, 2 * 2 * 3);
    assert_eq!(listed.days.len(), 2);
    assert_eq!(listed.owners.len(), 6);
    // The root, AWSLogs, the organization; for each account itself and CloudTrail, and Config of one;
    // for each region itself, the year, two months, each day.
    assert_eq!(requests, 3 + 2 * 2 + 1 + 2 * 3 * (1 + 1 + 2 + 2));
}

#[tokio::test]
async fn a_long_range_takes_a_request_a_day_and_few_above() {
    let mut wanted = between("2025-03-31", "2025-06-29");
    wanted.accounts.insert(ACCOUNTS[0].to_owned());
    wanted.regions.insert(REGIONS[1].to_owned());
    let fake = Fake::organization(1000);
    let asked = Arc::clone(&fake.asked);
    let (listed, requests) = list(fake, wanted).await;
    assert_eq!(listed.left.files, 91);
    // Above: as before for one account, then the region, its year and four months.
    assert_eq!(requests, 3 + 3 + 1 + 1 + 4 + 91);
    let asked = asked.lock().unwrap();
    assert!(!asked.iter().any(|folder| folder.contains(ACCOUNTS[1])));
}

#[tokio::test]
async fn what_a_key_does_not_tell_is_not_asked_of_it_and_what_is_left_out_is_counted_and_named() {
    const ACCOUNT: &str = ACCOUNTS[0];
    let trails = [
        "CloudTrail/us-east-1/2026/11/22/111111111111_CloudTrail_us-east-1_20261122T1200Z_x.json.gz",
        "CloudTrail-NetworkActivity/us-east-1/2026/11/22/111111111111_CloudTrail-NetworkActivity_us-east-1_20261122T1200Z_x.json.gz",
        "CloudTrail-Aggregated/us-east-1/2026/11/22/x.json.gz",
        "CloudTrail-Insight/us-east-1/2026/11/22/x.json",
        "CloudTrail-Digest/us-east-1/2026/11/22/111111111111_CloudTrail-Digest_us-east-1_t_us-east-1_20261122T120000Z.json.gz",
        "Something-New/us-east-1/2026/11/22/events.ndjson",
        // Beside the days.
        "CloudTrail/us-east-1/111111111111_CloudTrail_us-east-1_20261122T1200Z_y.json.gz",
        "CloudTrail/us-east-1/2026/11/111111111111_CloudTrail_us-east-1_20261122T1200Z_z",
        "CloudTrail/us-east-1/2026/copies/now",
    ];
    let others = [
        "CloudTrail/us-east-1/2026/11/01/other.json.gz",
        "CloudTrail/us-east-1/2026/11/22/111111111111_CloudTrail_us-east-1_20261123T0000Z_x.json.gz",
        "CloudTrail/us-east-1/2025/11/01/other.json.gz",
        "CloudTrail-NetworkActivity/eu-west-1/2026/11/22/other.json.gz",
    ];
    let below = |key: &str| format!("p/AWSLogs/o-abc/{ACCOUNT}/{key}");
    let mut keys: Vec<String> = trails.iter().chain(&others).map(|key| below(key)).collect();
    keys.push(format!("p/AWSLogs/o-abc/{}/CloudTrail/x", ACCOUNTS[1]));
    keys.push("copies/untold.json".to_owned());
    let mut wanted = between("2026-11-22", "2026-11-22");
    wanted.accounts.insert(ACCOUNT.to_owned());
    wanted.regions.insert("us-east-1".to_owned());
    let mut fake = Fake::new(keys);
    // Noon of that day.
    fake.modified = NOW - 24 * 3_600_000_000_000;
    let (listed, _) = list(fake, wanted).await;
    assert_eq!(listed.left.files, trails.len() as u64);
    let left_out: Vec<_> = (listed.left_out.0.into_iter())
        .map(|(why, sum)| (why, sum.files, sum.folders, sum.examples))
        .collect();
    let fake = |key: String| format!("s3://fake/{key}");
    let time = vec![
        fake(below("CloudTrail/us-east-1/2025/")),
        fake(below("CloudTrail/us-east-1/2026/11/01/")),
        fake(below(others[1])),
    ];
    let account = fake(format!("p/AWSLogs/o-abc/{}/", ACCOUNTS[1]));
    let region = fake(below("CloudTrail-NetworkActivity/eu-west-1/"));
    assert_eq!(
        left_out,
        [
            (Why::Time, 1, 2, time),
            (Why::Account, 0, 1, vec![account]),
            (Why::Region, 0, 1, vec![region]),
            (
                Why::Unknown,
                1,
                0,
                vec![fake("copies/untold.json".to_owned())]
            ),
        ]
    );
}

#[tokio::test]
async fn all_of_a_bucket_in_small_pages_is_found_once() {
    let mut fake = Fake::organization(100);
    fake.page = 7;
    let (listed, _) = list(fake, between("2024-01-01", "2025-01-01")).await;
    assert_eq!(listed.left.files, 600);
    assert_eq!(listed.left.bytes, 6_000);
}

#[tokio::test]
async fn files_without_the_layout_are_found_by_the_time_in_their_names() {
    let keys = (1..=28).map(|day| {
        format!(
            "copies/{}/1_CloudTrail_r_202502{day:02}T0000Z_x.json",
            day % 3
        )
    });
    let others = ["other/now.json".to_owned()];
    let fake = || Fake::new(keys.clone().chain(others.clone()));
    let (listed, requests) = list(fake(), between("2025-02-10", "2025-02-12")).await;
    assert_eq!((listed.left.files, requests), (3, 6));
    let (listed, _) = list(fake(), between("1d", "2026-11-23")).await;
    assert_eq!(listed.left.files, 1, "by its last modification");
    let mut wanted = between("1d", "2026-11-23");
    wanted.accounts.insert(ACCOUNTS[0].to_owned());
    let (listed, _) = list(fake(), wanted).await;
    let unknown = listed.left_out.files(Why::Unknown);
    assert_eq!((listed.left.files, unknown), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_fails_for_a_while_is_made_again() {
    let fake = Fake::organization(10);
    *fake.fails.lock().unwrap() = 5;
    let (listed, _) = list(fake, between("2024-01-01", "2024-01-10")).await;
    assert_eq!((listed.left.files, listed.unlisted), (60, 0));
}

#[tokio::test]
async fn a_folder_that_may_not_be_listed_costs_no_other_and_is_counted() {
    let mut fake = Fake::organization(10);
    fake.denied = Some(format!("AWSLogs/o-abc/{}/CloudTrail/", ACCOUNTS[0]));
    let (listed, _) = list(fake, between("2024-01-01", "2024-01-10")).await;
    assert_eq!((listed.left.files, listed.unlisted), (30, 1));
}

#[tokio::test]
async fn a_source_that_may_not_be_listed_is_an_error() {
    let mut fake = Fake::organization(1);
    fake.denied = Some(String::new());
    let stop = CancellationToken::new();
    let backfill = Backfill::new(fake, None, None, Arc::default(), stop);
    let error = backfill.list(between("1d", "2026-11-23")).await;
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("s3://fake/") && text.contains("AccessDenied"),
        "{text}"
    );
}

#[tokio::test]
async fn what_was_listed_is_in_the_plan_in_order_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan::open(folder.path()).unwrap();
    let listing = plan.begin(false).unwrap();
    let backfill = Backfill::new(
        Fake::organization(20),
        Some(plan.clone()),
        Some(listing),
        Arc::default(),
        CancellationToken::new(),
    );
    let wanted = between("2024-01-05", "2024-01-14");
    backfill.list(wanted.clone()).await.unwrap();
    let (entries, _) = plan.next(listing, false, None, 100).unwrap();
    assert_eq!(entries.len(), 60);
    assert!(entries.is_sorted_by_key(|entry| entry.position.clone()));
    plan.done(&entries[..10]).unwrap();

    let dry = Backfill::new(
        Fake::organization(20),
        Some(plan.clone()),
        None,
        Arc::default(),
        CancellationToken::new(),
    );
    let listed = dry.list(wanted).await.unwrap();
    assert_eq!((listed.left.files, listed.done.files), (50, 10));
    assert_eq!(plan.next(listing, false, None, 100).unwrap().0.len(), 50);
}

#[tokio::test(start_paused = true)]
async fn where_the_set_up_is_wrong_the_listing_is_stopped_and_nothing_is_taken_for_all() {
    let mut fake = Fake::organization(400);
    fake.expired = true;
    let (listed, requests) = list(fake, between("2024-01-01", "2024-12-31")).await;
    assert!(listed.stopped, "{listed:?}");
    assert!(requests < 400, "{requests}");
}

/// Delivers ten days of an organization, and what is left after it.
async fn deliver(fake: Fake, stop: CancellationToken) -> (Delivered, usize) {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan::open(folder.path()).unwrap();
    let listing = plan.begin(false).unwrap();
    let backfill = Backfill::new(
        fake,
        Some(plan.clone()),
        Some(listing),
        Arc::default(),
        stop,
    );
    let wanted = between("2024-01-01", "2024-01-10");
    backfill.list(wanted).await.unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let environment = [
        ("QTRAIL_EXPORT_FILE".to_owned(), path("out")),
        ("QTRAIL_DEAD_LETTERS_PATH".to_owned(), path("dead-letters")),
    ];
    let environment = environment.into_iter().collect();
    let loaded = crate::config::load(None, &environment, crate::config::Flags::default()).unwrap();
    let sidecar = crate::sidecar::Sidecar::start(&loaded.config, Arc::default(), true).unwrap();
    let delivered = backfill
        .deliver(4, sidecar.pipeline, sidecar.abort)
        .await
        .unwrap();
    (
        delivered,
        plan.next(listing, false, None, 1000).unwrap().0.len(),
    )
}

#[tokio::test]
async fn a_file_that_may_not_be_read_is_left_and_costs_no_other() {
    for (error, unread, gone) in [
        (source::Error::Denied("AccessDenied".to_owned()), 20, 0),
        (source::Error::Gone("NoSuchKey".to_owned()), 0, 20),
    ] {
        let mut fake = Fake::organization(10);
        fake.unread = Some((REGIONS[0], error));
        let (delivered, left) = deliver(fake, CancellationToken::new()).await;
        let Delivered { done, .. } = delivered;
        assert_eq!((done, delivered.unread, delivered.gone), (40, unread, gone));
        assert_eq!(left, 20);
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_credentials_have_expired_reading_is_stopped_and_all_is_left() {
    let mut fake = Fake::organization(10);
    fake.unread = Some(("", source::Error::Setup("ExpiredToken".to_owned())));
    let stop = CancellationToken::new();
    let (delivered, left) = deliver(fake, stop.clone()).await;
    assert!(stop.is_cancelled());
    assert_eq!((delivered.done, left), (0, 60));
    assert!(delivered.unread < 20, "{delivered:?}");
}

#[test]
fn sources_are_told_apart_by_what_they_are() {
    let bucket = |bucket: &str, prefix: &str| {
        Ok(Named::Bucket {
            bucket: bucket.into(),
            prefix: prefix.into(),
        })
    };
    assert_eq!(Named::parse("s3://b"), bucket("b", ""));
    assert_eq!(Named::parse("s3://b/p/q/"), bucket("b", "p/q/"));
    assert_eq!(Named::parse("/d"), Ok(Named::Path("/d".into())));
    assert!(Named::parse("s3://").unwrap_err().contains("s3://bucket"));
    assert!(Named::parse("https://b/p").is_err());
    let same = |a: &str, b: &str| {
        assert_eq!(
            Named::parse(a).unwrap().identity(),
            Named::parse(b).unwrap().identity()
        );
    };
    same("s3://b", "s3://b/");
    same("s3://b/p", "s3://b/p/");
    same("/tmp", "/tmp/../tmp/");
}
