//! Seqs from due to answered.

use super::*;

#[test]
fn no_more_than_the_window_is_sent() {
    let mut author = Author::new(0);
    (0..WINDOW as u64 + 5).for_each(|at| author.due(Nanos(at)));
    let sent: Vec<_> = std::iter::from_fn(|| author.send()).collect();
    assert_eq!(sent.len(), WINDOW);
    assert!(sent.iter().zip(1..).all(|(sent, number)| (sent.number, sent.waits) == (number, 1)));
    assert_eq!((author.busy(), author.numbers_taken()), (WINDOW + 5, WINDOW as u64 + 5));

    assert_eq!(author.answered(2), Some(Nanos(1)), "answers come in any order");
    assert!(author.send().is_none(), "the lowest waits still");
    assert_eq!(author.answered(1), Some(Nanos(0)));
    let next: Vec<_> = std::iter::from_fn(|| author.send()).map(|sent| (sent.number, sent.waits)).collect();
    assert_eq!(next, [(WINDOW as u64 + 1, 3), (WINDOW as u64 + 2, 3)]);
}

#[test]
fn an_answer_is_taken_once() {
    let mut author = Author::new(0);
    author.due(Nanos(9));
    author.due(Nanos(9));
    while author.send().is_some() {}
    assert_eq!((author.answered(0), author.answered(3)), (None, None), "never sent");
    assert_eq!((author.answered(2), author.answered(2)), (Some(Nanos(9)), None));
    assert_eq!((author.answered(1), author.answered(1)), (Some(Nanos(9)), None));
}
