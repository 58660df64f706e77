//! A request to a gateway and its response. The caller does the transport.

/// A request to a gateway, below the address it is configured with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayRequest {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// What the gateway answered.
pub struct GatewayResponse<'a> {
    pub status: u16,
    pub body: &'a [u8],
}
