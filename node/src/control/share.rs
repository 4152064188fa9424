//! Namespace `share`.

mod folder;

use std::{sync::Arc, time::Duration};

use jsonrpsee::core::{RpcResult, async_trait};
use node_api::{
    error::{ApiError, ErrorCode, ErrorReason},
    share::{
        FolderListing, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX, ShareFile, ShareListing, ShareRescan,
        ShareServer, SkippedEntry, SkippedListing,
    },
};
use node_base::{clock::now, events::unix_millis};
use node_core::handlers::{Asker, Bounds, Handlers};
use node_share::{Catalogue, Digests, Share, ShareError, Skipped};
use node_wire::{ShareName, query::quoted};
use plugin_api::{FileInfo, Files, Flow};

use super::{Owner, bad_name, broken};

/// Longest time for a listing with a pattern.
const TIME: Duration = Duration::from_secs(10);

#[async_trait]
impl ShareServer for Owner {
    async fn list(
        &self,
        pattern: Option<String>,
        after: Option<String>,
        limit: Option<u32>,
    ) -> RpcResult<ShareListing> {
        let (node, disk) = (&self.node, self.node.disk());
        let catalogue = Arc::clone(node.catalogue());
        let handlers = Arc::clone(node.handlers());
        let limit = limit.unwrap_or(LIST_LIMIT_DEFAULT).clamp(1, LIST_LIMIT_MAX) as usize;
        let (digests, files) = (Arc::clone(node.digests()), node.files());
        let mut listing = match pattern {
            None => {
                let listed = disk.run(move || page(&catalogue, after.as_deref(), limit));
                listed.await.map_err(|_| broken())??
            }
            Some(pattern) => {
                let threads = handlers.threads().clone();
                let listed = threads
                    .run(move || matching(&files, &handlers, &pattern, after.as_deref(), limit));
                listed.await.map_err(|_| broken())??
            }
        };
        let identified = disk.run(move || {
            let files = listing.files.into_iter();
            listing.files = files.map(|file| identified(file, &digests)).collect();
            listing
        });
        Ok(identified.await.map_err(|_| broken())?)
    }

    async fn browse(
        &self,
        folder: Option<String>,
        after: Option<String>,
        limit: Option<u32>,
    ) -> RpcResult<FolderListing> {
        let folder = folder.filter(|folder| !folder.is_empty());
        let parsed = folder.map(|name| ShareName::parse(&name).map_err(|e| bad_name(&name, &e)));
        let parsed = parsed.transpose()?;
        let limit = limit.unwrap_or(LIST_LIMIT_DEFAULT).clamp(1, LIST_LIMIT_MAX) as usize;
        let (share, digests) = (
            Arc::clone(self.node.share()),
            Arc::clone(self.node.digests()),
        );
        let listed = self.node.disk().run(move || {
            let folder = parsed.as_ref().map(ShareName::as_str);
            let mut listing = folder::list(&share, folder, after.as_deref(), limit)
                .map_err(|error| unreadable(&error))?;
            let files = listing.files.into_iter();
            listing.files = files.map(|file| identified(file, &digests)).collect();
            Ok::<_, ApiError>(listing)
        });
        Ok(listed.await.map_err(|_| broken())??)
    }

    async fn stat(&self, name: String) -> RpcResult<ShareFile> {
        let parsed = ShareName::parse(&name).map_err(|error| bad_name(&name, &error))?;
        let (catalogue, share) = (
            Arc::clone(self.node.catalogue()),
            Arc::clone(self.node.share()),
        );
        let digests = Arc::clone(self.node.digests());
        let described = self.node.disk().run(move || {
            let described = catalogue.look_up(parsed.as_str())?;
            let described = described.ok_or_else(|| absent(&share, parsed))?;
            Ok(identified(file(&described), &digests))
        });
        let described = described.await.map_err(|_| broken())?;
        Ok(described.map_err(|error| missing(&error))?)
    }

    async fn skipped(
        &self,
        after: Option<String>,
        limit: Option<u32>,
    ) -> RpcResult<SkippedListing> {
        let limit = limit.unwrap_or(LIST_LIMIT_DEFAULT).clamp(1, LIST_LIMIT_MAX) as usize;
        let (disk, catalogue) = (self.node.disk(), Arc::clone(self.node.catalogue()));
        let documents_after = after
            .as_deref()
            .and_then(|after| after.strip_prefix(DOCUMENTS));
        let documents_after = documents_after.map(str::to_owned);
        let mut listing = SkippedListing {
            skipped: Vec::new(),
            next: None,
        };
        if documents_after.is_none() {
            let listed = disk.run(move || catalogue.skipped_after(after.as_deref(), limit));
            let (skipped, more) = listed
                .await
                .map_err(|_| broken())?
                .map_err(|error| unreadable(&error))?;
            let last = skipped.last().filter(|_| more);
            listing.next = last.map(|last| last.name.clone());
            listing
                .skipped
                .extend(skipped.into_iter().map(skipped_entry));
        }
        if listing.next.is_none()
            && let Some(index) = self.node.handlers().index().cloned()
        {
            let room = limit - listing.skipped.len();
            let listed = disk.run(move || {
                let after = documents_after.filter(|after| !after.is_empty());
                index.unreadable_documents(after.as_deref(), room + 1)
            });
            add_documents(&mut listing, listed.await.map_err(|_| broken())?, room);
        }
        Ok(listing)
    }

    async fn rescan(&self, name: Option<String>) -> RpcResult<ShareRescan> {
        let parsed = name.map(|name| {
            let whole = name.strip_suffix('/').unwrap_or(&name);
            ShareName::parse(whole).map_err(|error| bad_name(whole, &error))
        });
        let parsed = parsed.transpose()?;
        let asked = self.node.keeper().rescan(parsed.as_ref());
        let asked = asked.map_err(|error| ApiError::new(ErrorCode::Failed, error.to_string()))?;
        let found = asked.done().await.ok_or_else(|| {
            let why = self.node.share().trouble();
            let why = why.unwrap_or_else(|| "the node stops".to_owned());
            ApiError::new(ErrorCode::Failed, why)
        })?;
        if let Some(name) = parsed
            && found.removed == 0
        {
            let (share, wanted) = (Arc::clone(self.node.share()), name.clone());
            let is_there = self.node.disk().run(move || share.is_taken(&wanted));
            if !is_there.await.map_err(|_| broken())? {
                return Err(missing(&ShareError::NotFound(name)).into());
            }
        }
        Ok(ShareRescan {
            added: found.added,
            changed: found.changed,
            removed: found.removed,
        })
    }

    async fn accept(&self) -> RpcResult<bool> {
        let accepted = self.node.accept_share().await;
        accepted.map_err(|error| missing(&error))?;
        Ok(true)
    }
}

/// Returns a page of all files.
fn page(
    catalogue: &Catalogue,
    after: Option<&str>,
    limit: usize,
) -> Result<ShareListing, ApiError> {
    let mut files: Vec<ShareFile> = Vec::new();
    let mut more = false;
    let listing = catalogue.visit_after(after, &mut |found| {
        more = files.len() == limit;
        if more {
            return Flow::Stop;
        }
        files.push(file(found));
        Flow::Continue
    });
    let listing = listing.map_err(|error| unreadable(&error))?;
    let next = files.last().filter(|_| more).map(|file| file.name.clone());
    Ok(ShareListing {
        files,
        next,
        skipped: listing.skipped,
    })
}

/// Begin of the cursor of documents, which come behind the entries of the directory: no path in a share begins so.
const DOCUMENTS: &str = "/";

fn skipped_entry(skipped: Skipped) -> SkippedEntry {
    SkippedEntry {
        name: skipped.name,
        reason: skipped.reason.to_string(),
    }
}

/// Adds the first `room` of some documents that cannot be read, and the cursor of the others.
fn add_documents(listing: &mut SkippedListing, documents: Vec<(String, String)>, room: usize) {
    let more = documents.len() > room;
    let mut last = String::new();
    for (name, reason) in documents.into_iter().take(room) {
        last.clone_from(&name);
        listing.skipped.push(SkippedEntry {
            name,
            reason: format!("it is shared, and its text is not found: {reason}"),
        });
    }
    listing.next = more.then(|| format!("{DOCUMENTS}{last}"));
}

/// Returns a page of the files that match a pattern.
fn matching(
    files: &Arc<dyn Files>,
    handlers: &Handlers,
    pattern: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<ShareListing, ApiError> {
    let wanted = Bounds {
        limit: usize::MAX,
        excerpts: 0,
        bytes: usize::MAX,
        deadline: now() + TIME,
        asker: Asker::Owner,
    };
    let pattern = format!("name:{}", quoted(pattern));
    let answer = handlers
        .answer(files, &pattern, wanted)
        .map_err(|error| ApiError::new(ErrorCode::Usage, error.to_string()))?;
    let mut files: Vec<ShareFile> = answer.hits.iter().map(|hit| file(&hit.file)).collect();
    files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    files.retain(|file| after.is_none_or(|after| file.name.as_str() > after));
    let more = files.len() > limit;
    files.truncate(limit);
    let next = files.last().filter(|_| more).map(|file| file.name.clone());
    Ok(ShareListing {
        files,
        next,
        skipped: 0,
    })
}

fn file(info: &FileInfo) -> ShareFile {
    ShareFile {
        name: info.name.clone(),
        size: info.size,
        modified: info.modified.map(unix_millis),
        digest: None,
    }
}

/// Adds the digest that is known.
fn identified(file: ShareFile, digests: &Digests) -> ShareFile {
    let digest = digests.known_of(&file.name);
    ShareFile {
        digest: digest.map(|digest| digest.to_hex()),
        ..file
    }
}

fn unreadable(error: &std::io::Error) -> ApiError {
    ApiError::new(
        ErrorCode::Failed,
        format!("the share cannot be read: {error}"),
    )
}

/// Returns the error for the lack of a shared file `name`.
fn absent(share: &Share, name: ShareName) -> ShareError {
    match share.why_not(&name) {
        Some(reason) => ShareError::NotShared { name, reason },
        None => ShareError::NotFound(name),
    }
}

fn missing(error: &ShareError) -> ApiError {
    let text = error.to_string();
    match error {
        ShareError::NotFound(_) => ApiError::new(ErrorCode::NotFound, text),
        ShareError::NotShared { .. } => {
            ApiError::new(ErrorCode::NotFound, text).because(ErrorReason::NeverShared)
        }
        _ => ApiError::new(ErrorCode::Failed, text),
    }
}
