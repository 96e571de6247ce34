/**
 * LexVLA on Spark: {@link org.lexvla.spark.LexicalColumns} adds lexical vectors to a DataFrame, {@link org.lexvla.spark.TrainingLauncher} trains
 * on a cluster.
 */
package org.lexvla.spark;
