/** Lexical vectors on Spark: {@link org.lexvla.spark.LexicalColumns} adds them to a DataFrame. */
package org.lexvla.spark;
