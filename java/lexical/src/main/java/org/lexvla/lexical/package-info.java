/**
 * Lexical vectors: their words ({@link org.lexvla.lexical.Vocabulary}), one of them ({@link
 * org.lexvla.lexical.LexicalVector}), many of them in Arrow memory ({@link org.lexvla.lexical.LexicalBatch}), and the
 * kernels that compute them ({@link org.lexvla.lexical.Kernels}) for whoever brings dense arrays ({@link
 * org.lexvla.lexical.DenseView}). Knows no LibTorch.
 */
package org.lexvla.lexical;
