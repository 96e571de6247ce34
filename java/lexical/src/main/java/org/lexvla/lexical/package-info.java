/**
 * Lexical vectors: their words ({@link org.lexvla.lexical.Vocabulary}), one of them ({@link
 * org.lexvla.lexical.LexicalVector}), many of them in Arrow memory ({@link org.lexvla.lexical.LexicalBatch}), and the
 * kernels that compute them ({@link org.lexvla.lexical.Kernels}) for whoever brings dense arrays ({@link
 * org.lexvla.lexical.DenseView}). Knows no LibTorch.
 *
 * <p>Arrow asks for {@code --add-opens=java.base/java.nio=ALL-UNNAMED} on the command line of Java, and for one of its
 * memory modules, such as arrow-memory-unsafe, on the class path: which one is left to the application.
 */
package org.lexvla.lexical;
