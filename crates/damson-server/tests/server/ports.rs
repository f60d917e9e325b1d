use damson::Node;
use damson_server::{ServerConfig, ServerError, start};

use crate::client::Host;

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let host = Host::start().await;
    let address = host.server.redis_address().unwrap().to_string();
    let config = ServerConfig { redis: Some(address.clone()), ..ServerConfig::default() };
    let error = start(host.node.clone(), config).await.err().expect("the port is taken");
    assert!(matches!(error, ServerError::Bind { .. }));
    assert!(
        error.to_string().starts_with(&format!("Redis protocol: cannot listen on {address}: ")),
        "{error}"
    );
}

#[tokio::test]
async fn an_address_that_other_machines_reach_is_refused() {
    let node = Node::builder("solo").start().await.unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let config = ServerConfig { http: Some(address.into()), ..ServerConfig::default() };
        let error = start(node.clone(), config).await.err().expect("it is not on loopback");
        assert!(matches!(error, ServerError::NotLoopback { .. }));
        assert!(error.to_string().contains(address) && error.to_string().contains("loopback"), "{error}");
    }
}

#[tokio::test]
async fn nonsense_is_no_address() {
    let node = Node::builder("solo").start().await.unwrap();
    let config = ServerConfig { redis: Some("nonsense".into()), ..ServerConfig::default() };
    let error = start(node, config).await.err().expect("it is no address");
    assert!(
        matches!(error, ServerError::Resolve { .. }) && error.to_string().contains("nonsense"),
        "{error}"
    );
}

#[tokio::test]
async fn without_addresses_there_are_no_ports() {
    let node = Node::builder("solo").start().await.unwrap();
    let server = start(node, ServerConfig::default()).await.unwrap();
    assert_eq!((server.redis_address(), server.http_address()), (None, None));
    server.stop().await;
}
