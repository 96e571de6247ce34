/**
 * Search over lexical vectors: what a back end offers ({@link org.lexvla.search.LexicalSearcher}) , the exact one, a
 * directory that is multiplied with each query ({@link org.lexvla.search.LexicalIndex}), and Lucene
 * ({@link org.lexvla.search.LuceneIndex}). {@link org.lexvla.search.SearchIndex} opens whichever a directory is for.
 */
package org.lexvla.search;
