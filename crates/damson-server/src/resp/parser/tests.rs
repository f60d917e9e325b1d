use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

type Commands = Vec<Vec<Vec<u8>>>;

/// All commands in the bytes, which arrive in pieces, and the error that ends them.
fn parse(pieces: &[&[u8]], limits: &ParseLimits) -> (Commands, Option<ProtocolError>) {
    let mut parser = Parser::new(limits.clone());
    let (mut received, mut commands) = (Vec::new(), Vec::new());
    for piece in pieces {
        received.extend_from_slice(piece);
        loop {
            match parser.advance(&received) {
                Ok(Some(used)) => {
                    commands.push(parser.args(&received).iter().map(<[u8]>::to_vec).collect());
                    received.drain(..used);
                    parser.reset();
                }
                Ok(None) => break,
                Err(error) => return (commands, Some(error)),
            }
        }
    }
    (commands, None)
}

fn error_of(bytes: &[u8]) -> ProtocolError {
    parse(&[bytes], &ParseLimits::default()).1.expect("these bytes are an error")
}

fn encode(command: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", command.len()).into_bytes();
    for arg in command {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Bytes that look like the protocol more often than chance would have it.
fn nearly_resp() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just(b"*1\r\n".to_vec()),
        Just(b"*2\r\n".to_vec()),
        Just(b"*-1\r\n".to_vec()),
        Just(b"$3\r\nGET\r\n".to_vec()),
        Just(b"$1\r\n\"\r\n".to_vec()),
        Just(b"$-1\r\n".to_vec()),
        Just(b"PING\r\n".to_vec()),
        Just(b"SET a 'b c'\n".to_vec()),
        Just(b"\r\n".to_vec()),
        vec(any::<u8>(), 0..6),
    ];
    vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

fn cut(bytes: &[u8], at: usize) -> [&[u8]; 2] {
    let (head, tail) = bytes.split_at(at.min(bytes.len()));
    [head, tail]
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        parse(&[&bytes], &ParseLimits::default());
    }

    #[test]
    fn split_input_parses_the_same(bytes in nearly_resp(), at in 0_usize..80) {
        let limits = ParseLimits::default();
        let whole = parse(&[&bytes], &limits);
        prop_assert_eq!(&parse(&cut(&bytes, at), &limits), &whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&parse(&single, &limits), &whole);
    }

    #[test]
    fn what_clients_send_is_what_is_read(commands in vec(vec(vec(any::<u8>(), 0..20), 1..5), 0..5)) {
        let bytes: Vec<u8> = commands.iter().flat_map(|command| encode(command)).collect();
        prop_assert_eq!(parse(&[&bytes], &ParseLimits::default()), (commands, None));
    }
}

#[test]
fn a_pipeline_may_mix_inline_and_framed_commands() {
    let bytes = b"PING\r\n*1\r\n$4\r\nPING\r\n\r\n*0\r\n*-10\r\nECHO \"a b\"\n";
    let (commands, error) = parse(&[bytes], &ParseLimits::default());
    assert_eq!(error, None);
    let words: Vec<Vec<&[u8]>> =
        commands.iter().map(|args| args.iter().map(Vec::as_slice).collect()).collect();
    let expected: Vec<Vec<&[u8]>> =
        vec![vec![b"PING"], vec![b"PING"], vec![], vec![], vec![], vec![b"ECHO", b"a b"]];
    assert_eq!(words, expected);
}

#[test]
fn each_malformed_frame_has_its_error() {
    assert_eq!(error_of(b"*x\r\n"), ProtocolError::ArgumentCount);
    assert_eq!(error_of(b"*3000000000\r\n"), ProtocolError::ArgumentCount);
    assert_eq!(error_of(b"*1\n"), ProtocolError::ArgumentCount);
    assert_eq!(error_of(&[b"*", &[b'1'; 100][..]].concat()), ProtocolError::ArgumentCountLine);
    assert_eq!(error_of(b"*1\r\n:3\r\n"), ProtocolError::ExpectedBulk { got: b':' });
    assert_eq!(error_of(b"*1\r\n$-1\r\n"), ProtocolError::BulkLength);
    assert_eq!(error_of(b"*1\r\n$x\r\n"), ProtocolError::BulkLength);
    assert_eq!(error_of(&[b"*1\r\n$", &[0; 100][..]].concat()), ProtocolError::BulkLengthLine);
    assert_eq!(error_of(b"*1\r\n$3\r\nPINGG\r\n"), ProtocolError::BulkEnd);
    assert_eq!(error_of(b"PING \"x\r\n"), ProtocolError::Quotes);
    assert_eq!(error_of(&[b'a'; 70_000]), ProtocolError::InlineTooLong);
}

#[test]
fn lengths_over_a_limit_are_refused_when_they_are_announced() {
    let over = ProtocolError::BulkTooLong { got: 16_777_217, limit: 16_777_216 };
    assert_eq!(error_of(b"*2\r\n$3\r\nGET\r\n$16777217\r\n"), over);
    let limits = ParseLimits { command_bytes_max: 30, ..ParseLimits::default() };
    let (_, error) = parse(&[b"*2\r\n$3\r\nGET\r\n$20\r\n"], &limits);
    assert_eq!(error, Some(ProtocolError::CommandTooLong { got: 40, limit: 30 }));
}
