//! Namespace `token`.

use std::time::Duration;

use jsonrpsee::core::{RpcResult, async_trait};
use node_api::{
    error::{ApiError, ErrorCode},
    level::Level,
    token::{Token, TokensServer},
};
use node_base::events::Event;

use super::{
    Owner, broken,
    rights::{AddError, ChangeError},
};

#[async_trait]
impl TokensServer for Owner {
    async fn add(
        &self,
        name: String,
        may: Level,
        sha256: String,
        seconds: Option<u64>,
    ) -> RpcResult<Token> {
        let (rights, time) = (self.rights.clone(), seconds.map(Duration::from_secs));
        let added = (self.node.disk())
            .run(move || rights.add(&name, may, &sha256, time))
            .await;
        let token = added.map_err(|_| broken())?.map_err(ApiError::from)?;
        let (name, may) = (token.name.clone(), token.may.name().to_owned());
        tracing::info!(token = name, may, "a token was added");
        self.node.events().emit(&Event::TokenAdded { name, may });
        Ok(token)
    }

    async fn list(&self) -> RpcResult<Vec<Token>> {
        Ok(self.rights.list())
    }

    async fn remove(&self, name: String) -> RpcResult<bool> {
        let (rights, of) = (self.rights.clone(), name.clone());
        let removed = self.node.disk().run(move || rights.remove(&of)).await;
        let removed = removed.map_err(|_| broken())?.map_err(ApiError::from)?;
        if removed {
            tracing::info!(token = name, "a token was removed");
            self.node.events().emit(&Event::TokenRemoved { name });
        }
        Ok(removed)
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> ApiError {
        let code = match &error {
            ChangeError::Add(AddError::Exists(_)) => ErrorCode::Exists,
            ChangeError::Add(AddError::Full) => ErrorCode::NoSpace,
            ChangeError::Add(_) => ErrorCode::Usage,
            ChangeError::State(_) => ErrorCode::Failed,
        };
        ApiError::new(code, error.to_string())
    }
}
