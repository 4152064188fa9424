//! One source for a namespace: the jsonrpsee trait and its description.
//!
//! [`namespace!`] takes the methods of a namespace once and expands to the
//! trait that server and client use, and to a function `describe()` with the
//! same names, levels, parameters, types and texts for the `OpenRPC` document. So the
//! document cannot say anything that the server does not do.

/// Declares a namespace. Types stand in brackets, because a macro cannot see
/// where a bare type ends. Before each method stands the [`Level`](crate::level::Level)
/// that its caller needs: a method without one does not compile.
macro_rules! namespace {
    (
        $(#[doc = $trait_doc:literal])+
        $name:tt => $trait:ident {
            $(
                $(#[doc = $doc:literal])+
                $level:ident fn $method:tt $function:ident ( $( $param:ident : [ $($param_type:tt)+ ] ),* $(,)? ) -> [ $($result:tt)+ ];
            )*
        }
    ) => {
        #[cfg(feature = "rpc")]
        #[cfg_attr(feature = "server", jsonrpsee::proc_macros::rpc(server, client, namespace = $name, namespace_separator = "."))]
        #[cfg_attr(not(feature = "server"), jsonrpsee::proc_macros::rpc(client, namespace = $name, namespace_separator = "."))]
        $(#[doc = $trait_doc])+
        pub trait $trait {
            $(
                $(#[doc = $doc])+
                #[method(name = $method, param_kind = map)]
                async fn $function(&self, $( $param: $($param_type)+ ),*) -> jsonrpsee::core::RpcResult<$($result)+>;
            )*
        }

        /// Describes the methods of this namespace, for the `OpenRPC` document.
        pub(crate) fn describe(schemas: &mut schemars::SchemaGenerator) -> Vec<crate::openrpc::Method> {
            vec![
                $(
                    crate::openrpc::Method {
                        name: concat!($name, ".", $method),
                        level: crate::level::Level::$level,
                        text: concat!($($doc, "\n"),+),
                        params: vec![ $( crate::openrpc::param::<$($param_type)+>(schemas, stringify!($param)) ),* ],
                        result: schemas.subschema_for::<$($result)+>(),
                        subscription: false,
                    },
                )*
            ]
        }
    };
}

pub(crate) use namespace;
