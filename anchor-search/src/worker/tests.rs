//! What panics is told to whoever waits for it, and ends no thread.

use super::*;

#[tokio::test]
async fn a_search_that_panics_leaves_the_threads_to_the_others() {
    let searchers = Searchers::start();
    for _ in 0..=SEARCH_THREADS {
        let panicked = searchers.run(|| panic!("as it was told to")).await;
        assert!(matches!(panicked, Err::<(), _>(Unsearched::Panicked)));
    }
    assert!(matches!(searchers.run(|| 5).await, Ok(5)));
}

#[tokio::test]
async fn a_writer_that_panics_is_opened_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let indexer = Indexer::open(dir.path()).expect("an index");
    let (writer, thread) = Writer::start(dir.path().to_owned(), Some(indexer)).expect("a thread");
    assert!(writer.open().await.expect("it is open").0, "it is new");
    writer.run(|indexer| indexer.begun()).await.expect("a mark");
    let panicked = writer.run(|_| -> Result<(), _> { panic!("as it was told to") }).await;
    assert!(matches!(panicked, Err(IndexError::Panicked)), "{panicked:?}");
    let closed = writer.run(|indexer| indexer.commit()).await;
    assert!(matches!(closed, Err(IndexError::Stopped)), "{closed:?}");
    assert!(!writer.open().await.expect("it is opened anew").0);
    writer.run(|indexer| indexer.commit()).await.expect("it works");
    drop(writer);
    thread.join().expect("it ends well");
}
