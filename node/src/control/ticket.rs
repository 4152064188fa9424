//! Namespace `ticket`.

use std::{net::IpAddr, sync::Arc};

use jsonrpsee::core::{RpcResult, async_trait};
use node_api::{
    error::{ApiError, ErrorCode},
    ticket::{NewTicket, Ticket, TicketsServer},
};
use node_core::{
    node::WebPort,
    tickets::{AddError, NewRecord, TicketError},
};
use node_share::{Catalogue, Share};
use node_wire::ShareName;
use plugin_api::Flow;

use super::{Owner, bad_name, broken};

/// Longest time of a link, in seconds: a hundred years.
const SECONDS_MAX: u64 = 100 * 366 * 24 * 3600;

#[async_trait]
impl TicketsServer for Owner {
    async fn share(
        &self,
        names: Vec<String>,
        sha256: String,
        uses: Option<u32>,
        seconds: Option<u64>,
        password: Option<String>,
    ) -> RpcResult<NewTicket> {
        let port = self.web_port()?;
        let catalogue = Arc::clone(self.node.catalogue());
        let share = Arc::clone(self.node.share());
        let checked = self.node.disk().run(move || {
            let names = names.iter().map(|name| given(&catalogue, &share, name));
            names.collect::<Result<Vec<_>, ApiError>>()
        });
        let names = checked.await.map_err(|_| broken())??;
        let new = new_record(sha256, uses, seconds, password);
        let ticket = self.node.tickets().share(names, new).await;
        let ticket = ticket.map_err(|error| refused(&error))?;
        Ok(added(&port, ticket, "s"))
    }

    async fn ask(
        &self,
        sha256: String,
        into: Option<String>,
        max_bytes: Option<u64>,
        uses: Option<u32>,
        seconds: Option<u64>,
        password: Option<String>,
    ) -> RpcResult<NewTicket> {
        let port = self.web_port()?;
        if let Some(into) = &into {
            checked_folder(into)?;
        }
        let new = new_record(sha256, uses, seconds, password);
        let tickets = self.node.tickets();
        let ticket = tickets.ask(into, max_bytes, new).await;
        let ticket = ticket.map_err(|error| refused(&error))?;
        let folder = tickets.folder_of(&ticket);
        Ok(NewTicket {
            folder,
            ..added(&port, ticket, "a")
        })
    }

    async fn list(&self) -> RpcResult<Vec<Ticket>> {
        Ok(self.node.tickets().list())
    }

    async fn remove(&self, id: u64) -> RpcResult<bool> {
        let removed = self.node.tickets().remove(id).await;
        Ok(removed.map_err(|error| refused(&error))?)
    }
}

impl Owner {
    fn web_port(&self) -> Result<WebPort, ApiError> {
        let port = self.node.web().cloned();
        port.ok_or_else(|| {
            let text = "this node has no port for links; start it with `--web :8080`";
            ApiError::new(ErrorCode::Usage, text)
        })
    }
}

fn new_record(
    sha256: String,
    uses: Option<u32>,
    seconds: Option<u64>,
    password: Option<String>,
) -> NewRecord {
    NewRecord {
        sha256,
        uses,
        time: seconds.map(|seconds| seconds.min(SECONDS_MAX) * 1_000),
        password,
    }
}

/// Returns the name of a shared file or folder. Blocks.
fn given(catalogue: &Catalogue, share: &Share, typed: &str) -> Result<String, ApiError> {
    let name = ShareName::parse(typed.trim_end_matches('/'));
    let name = name.map_err(|error| bad_name(typed, &error))?;
    if matches!(catalogue.look_up(name.as_str()), Ok(Some(_))) {
        return Ok(name.as_str().to_owned());
    }
    let mut is_folder = false;
    let below = format!("{name}/");
    let searched = catalogue.search(&below, &[], &mut |_| {
        is_folder = true;
        Flow::Stop
    });
    if searched.is_ok() && is_folder {
        return Ok(name.as_str().to_owned());
    }
    let why = share.why_not(&name).map(|reason| format!(": {reason}"));
    let text = format!(
        "`{}` is no shared file or folder{}",
        node_wire::escaped(typed),
        why.unwrap_or_default()
    );
    Err(ApiError::new(ErrorCode::NotFound, text))
}

/// Checks the name of a folder of the inbox.
fn checked_folder(typed: &str) -> Result<(), ApiError> {
    let name = ShareName::parse(typed);
    match name {
        Ok(name) if !name.has_dot() && !name.is_configuration() => Ok(()),
        Ok(_) | Err(_) => {
            let text = format!(
                "`{}` is no folder of the inbox; give a name such as holiday, without a dot at its begin",
                node_wire::escaped(typed)
            );
            Err(ApiError::new(ErrorCode::Usage, text))
        }
    }
}

/// Describes a ticket that was added. The text of its link goes behind the URL.
fn added(port: &WebPort, ticket: Ticket, way: &str) -> NewTicket {
    NewTicket {
        ticket,
        url: format!("{}/{way}/", port.url),
        folder: None,
        reach: reach(port),
    }
}

/// Describes who cannot open links of this port, if anybody cannot.
fn reach(port: &WebPort) -> Option<String> {
    let is_own = |ip: IpAddr| ip.is_loopback();
    let begin = format!("http://{}", port.address);
    (is_own(port.address.ip()) && port.url == begin).then(|| {
        "only programs of this machine open this link; start the node with `--web :8080` for others".to_owned()
    })
}

fn refused(error: &TicketError) -> ApiError {
    let code = match error {
        TicketError::Add(AddError::Full) => ErrorCode::NoSpace,
        TicketError::Add(_) => ErrorCode::Usage,
        TicketError::State(_) | TicketError::Stopping => ErrorCode::Failed,
    };
    ApiError::new(code, error.to_string())
}
