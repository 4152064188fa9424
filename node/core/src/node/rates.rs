//! Keeps the rates of a node to their schedules.

use std::time::Duration;

use node_base::schedule::{RateSchedule, TimeOfDay};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{rate::Rate, server::Uploads};

/// Time between two looks at the clock, which may be set at any time.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The rates of a node, with their schedules.
pub(super) struct Rates {
    pub(super) uploads: Uploads,
    pub(super) download: Rate,
    upload_schedule: RateSchedule,
    download_schedule: RateSchedule,
}

impl Rates {
    /// Creates the rates that hold now; `uploads` creates the uploads at a rate.
    pub(super) fn new(
        upload: RateSchedule,
        download: RateSchedule,
        uploads: impl FnOnce(u64) -> Uploads,
    ) -> Rates {
        let time = TimeOfDay::now();
        Rates {
            uploads: uploads(upload.at(time)),
            download: Rate::new(download.at(time)),
            upload_schedule: upload,
            download_schedule: download,
        }
    }

    /// Returns the lowest limit of content from others that may come in the course of a day.
    pub(super) fn lowest_download(&self) -> Rate {
        Rate::new(self.download_schedule.lowest())
    }

    /// Changes the rates with the time of day until it is cancelled.
    pub(super) async fn follow(self, cancel: CancellationToken) {
        if !self.upload_schedule.changes() && !self.download_schedule.changes() {
            return;
        }
        while cancel
            .run_until_cancelled(sleep(LOOK_EVERY))
            .await
            .is_some()
        {
            self.keep_to(TimeOfDay::now());
        }
    }

    /// Has the rates be those of a time of the day.
    fn keep_to(&self, time: TimeOfDay) {
        let upload = self.upload_schedule.at(time);
        if self.uploads.limit().unwrap_or(0) != upload {
            self.uploads.set_rate(upload);
            tracing::info!(
                bytes_a_second = upload,
                "the upload rate changed with the time of day"
            );
        }
        let download = self.download_schedule.at(time);
        if self.download.limit().unwrap_or(0) != download {
            self.download.set(download);
            tracing::info!(
                bytes_a_second = download,
                "the download rate changed with the time of day"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    #[test]
    fn both_rates_follow_the_time_of_day() {
        let upload = "2M; 08:00-18:00 500K".parse().unwrap();
        let download = "0; 12:00-13:00 10K".parse().unwrap();
        let rates = Rates::new(upload, download, |rate| {
            Uploads::new(rate, Disk::default(), std::sync::Arc::default())
        });
        for (hour, up, down) in [
            (7, Some(2 << 20), None),
            (8, Some(500 << 10), None),
            (12, Some(500 << 10), Some(10 << 10)),
            (13, Some(500 << 10), None),
            (18, Some(2 << 20), None),
        ] {
            rates.keep_to(TimeOfDay::new(hour, 0).unwrap());
            assert_eq!(rates.uploads.limit(), up, "{hour}");
            assert_eq!(rates.download.limit(), down, "{hour}");
        }
        assert_eq!(rates.lowest_download().limit(), Some(10 << 10));
    }
}
