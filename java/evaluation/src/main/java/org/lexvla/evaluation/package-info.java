/**
 * Measures and pictures: retrieval, PatchDis, true words, the sparsity curve (SPEC §8); word clouds, heat maps of patches, line
 * charts. Arrays and strings go in, numbers and pictures come out; nothing here runs a model.
 */
package org.lexvla.evaluation;
