/**
 * Search over lexical vectors: what a back end offers ({@link org.lexvla.search.LexicalSearcher}) and the exact one, a
 * directory that is multiplied with each query ({@link org.lexvla.search.LexicalIndex}).
 */
package org.lexvla.search;
