/**
 * The model: {@link org.lexvla.model.LexVla} makes lexical vectors of pictures and texts, and is all that most users need.
 * Below it, each usable by itself: the backbones {@link org.lexvla.model.DinoV2} and {@link org.lexvla.model.Llama} with
 * {@link org.lexvla.model.Lora}, the {@link org.lexvla.model.Adapter}, the {@link org.lexvla.model.LexicalHead} with its
 * two-stage gradient, {@link org.lexvla.model.Tokenizer}, {@link org.lexvla.model.Prompt},
 * {@link org.lexvla.model.ImageTransform}, and {@link org.lexvla.model.Safetensors}.
 *
 * <p>Tensors that a method returns belong to the caller's {@code PointerScope}: open one per step or batch. Set {@code
 * OPENBLAS_NUM_THREADS=1} in the environment, or small steps run many times slower, and {@code
 * org.bytedeco.javacpp.maxPhysicalBytes} to what the process may take.
 */
package org.lexvla.model;
