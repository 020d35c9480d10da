//! The process: its time, memory and files, as Linux tells them.
//!
//! Enters: files of `/proc`. Leaves: [`METRICS`], read anew each time. What must hold: where the system does not have
//! these files, the metrics are absent.

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::metrics::MetricType;

/// Clock ticks in a second: Linux shows times to programs in this unit on every machine.
const TICKS: f64 = 100.0;

/// A metric of the process.
pub(super) struct ProcessMetric {
    /// Its name in Prometheus, by Prometheus' conventions.
    pub(super) name: &'static str,
    /// Its name in OTLP, by the semantic conventions if they have one.
    pub(super) otlp_name: &'static str,
    /// Its type.
    pub(super) metric_type: MetricType,
    /// Its unit in OTLP (UCUM).
    pub(super) unit: &'static str,
    /// Its meaning.
    pub(super) help: &'static str,
    /// Its current value.
    pub(super) value: fn() -> Option<f64>,
}

const fn metric(
    names: [&'static str; 2],
    metric_type: MetricType,
    unit: &'static str,
    help: &'static str,
    value: fn() -> Option<f64>,
) -> ProcessMetric {
    ProcessMetric {
        name: names[0],
        otlp_name: names[1],
        metric_type,
        unit,
        help,
        value,
    }
}

/// The metrics of the process.
#[rustfmt::skip]
pub(super) const METRICS: [ProcessMetric; 5] = [
    metric(["process_cpu_seconds_total", "process.cpu.time"], MetricType::Counter, "s", "Processor time that the process took (Linux).", cpu_seconds),
    metric(["process_resident_memory_bytes", "process.memory.usage"], MetricType::Gauge, "By", "Memory of the process that is in RAM (Linux).", resident_bytes),
    metric(["process_open_fds", "process.unix.file_descriptor.count"], MetricType::Gauge, "{file_descriptor}", "File descriptors that the process has open (Linux).", open_fds),
    metric(["process_max_fds", "process.unix.file_descriptor.limit"], MetricType::Gauge, "{file_descriptor}", "File descriptors that the process may have open; absent without a limit.", max_fds),
    metric(["process_start_time_seconds", "process.start_time"], MetricType::Gauge, "s", "When the process started, in seconds since 1970 (Linux).", start_seconds),
];

fn cpu_seconds() -> Option<f64> {
    let stat = stat()?;
    Some((field(&stat, 14)? + field(&stat, 15)?) / TICKS)
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

/// One of them is the listing itself.
fn open_fds() -> Option<f64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(open.saturating_sub(1) as f64)
}

fn max_fds() -> Option<f64> {
    getrlimit(Resource::Nofile)
        .current
        .map(|limit| limit as f64)
}

fn start_seconds() -> Option<f64> {
    let kernel = fs::read_to_string("/proc/stat").ok()?;
    let boot = kernel
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    let boot: f64 = boot.trim().parse().ok()?;
    Some(boot + field(&stat()?, 22)? / TICKS)
}

/// The fields of `/proc/self/stat` behind the program's name, which may hold spaces and brackets.
fn stat() -> Option<String> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    Some(stat.rsplit_once(')')?.1.to_owned())
}

/// A field by its number in proc_pid_stat(5); the name is the second.
fn field(stat: &str, number: usize) -> Option<f64> {
    stat.split_whitespace().nth(number - 3)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_this_process() {
        let now = jiff::Timestamp::now().as_second() as f64;
        let started = start_seconds().unwrap();
        assert!(
            started <= now + 1.0 && started > now - 86_400.0,
            "{started}"
        );
        assert!(resident_bytes().unwrap() > 1e6);
        let before = open_fds().unwrap();
        let files: Vec<_> = (0..50)
            .map(|_| fs::File::open("/dev/null").unwrap())
            .collect();
        // Tests beside this one open and close a few.
        assert!(open_fds().unwrap() >= before + 25.0);
        assert!(max_fds().is_none_or(|most| most >= files.len() as f64));
        assert!(cpu_seconds().is_some());
    }
}
