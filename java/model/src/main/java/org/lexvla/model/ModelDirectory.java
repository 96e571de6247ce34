package org.lexvla.model;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.lexvla.lexical.Vocabulary;

/**
 * The files of a model directory: {@code config.json}, {@code vocabulary.json}, {@code preprocessor_config.json},
 * {@code model.safetensors} (adapter, image codebook, logit scale;
 * the text codebook where it is no longer the output matrix) and {@code lora/} in PEFT's format.
 */
final class ModelDirectory {
    static final String WEIGHTS = "model.safetensors";
    static final String VOCABULARY = "vocabulary.json";
    static final String LORA = "lora";
    static final String IMAGE_CODEBOOK = "image_codebook";
    static final String TEXT_CODEBOOK = "text_codebook";
    static final String LOGIT_SCALE = "logit_scale";
    static final String ADAPTER = "adapter.";
    /** Metadata of the weights: which vocabulary the rows of the codebook belong to. */
    static final String FINGERPRINT = "vocabulary";

    private ModelDirectory() {}

    /**
     * Writes a model: everything into a directory beside, then moved into place, {@code config.json} last. What else lies in
     * an existing directory stays. Interrupted at any point, it leaves a directory without {@code config.json} or a whole
     * model.
     */
    static void save(Path directory, ModelParts parts, LexVlaConfig config) throws IOException {
        Path target = directory.toAbsolutePath().normalize();
        if (Files.exists(target) && !Files.isDirectory(target)) {
            throw new IOException("cannot save a model to " + directory + ": it is a file");
        }
        Files.createDirectories(target.getParent());
        Path beside = PartFile.beside(target);
        Files.createDirectory(beside);
        try {
            parts.vocabulary.save(beside.resolve(VOCABULARY));
            parts.transform.save(beside);
            Safetensors.write(
                    beside.resolve(WEIGHTS),
                    parts.weights(),
                    Map.of("format", "pt", FINGERPRINT, parts.vocabulary.fingerprint()));
            parts.lora.save(beside.resolve(LORA));
            config.save(beside, target);
            if (Files.exists(target)) {
                replace(beside, target);
            } else {
                Files.move(beside, target, StandardCopyOption.ATOMIC_MOVE);
            }
        } finally {
            delete(beside);
        }
    }

    private static void replace(Path beside, Path target) throws IOException {
        Files.deleteIfExists(target.resolve(LexVlaConfig.FILE));
        for (String name : List.of(VOCABULARY, ImageTransform.FILE, WEIGHTS, LORA, LexVlaConfig.FILE)) {
            if (name.equals(LORA)) {
                delete(target.resolve(name));
            }
            Files.move(beside.resolve(name), target.resolve(name), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static void delete(Path directory) throws IOException {
        if (!Files.exists(directory)) {
            return;
        }
        try (Stream<Path> all = Files.walk(directory)) {
            for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    /** Refuses a directory that lacks one of the files. */
    static void requireComplete(Path directory) throws IOException {
        for (String name : List.of(VOCABULARY, ImageTransform.FILE, WEIGHTS, LORA)) {
            if (!Files.exists(directory.resolve(name))) {
                throw new IOException("model " + directory + " is not complete: it has no " + name
                        + "; make it again with init or train");
            }
        }
    }

    /** Refuses a backbone directory that is not there. */
    static void requireBackbone(String what, Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            throw new IOException("the " + what + " directory " + directory
                    + " does not exist: give the path of a Hugging Face directory, or change \"" + what
                    + "\" in the model's "
                    + LexVlaConfig.FILE);
        }
    }

    /** Refuses weights whose codebook does not belong to the vocabulary. */
    static void requireCodebook(Safetensors weights, Vocabulary vocabulary, int width) {
        if (!weights.names().contains(IMAGE_CODEBOOK) || !weights.names().contains(LOGIT_SCALE)) {
            throw new IllegalArgumentException(weights.source() + " has no " + IMAGE_CODEBOOK + " and " + LOGIT_SCALE
                    + ": not the weights of a LexVLA model");
        }
        for (String name : List.of(IMAGE_CODEBOOK, TEXT_CODEBOOK)) {
            long[] shape = weights.names().contains(name) ? weights.shape(name) : null;
            if (shape != null && (shape.length != 2 || shape[0] != vocabulary.size() || shape[1] != width)) {
                throw new IllegalArgumentException("the vocabulary does not fit the codebook: " + name + " of "
                        + weights.source() + " is " + Arrays.toString(shape) + ", expected [" + vocabulary.size()
                        + " words, width " + width
                        + "]: vocabulary, weights and language model must come from the same model");
            }
        }
        String fingerprint = weights.metadata().get(FINGERPRINT);
        if (fingerprint != null && !fingerprint.equals(vocabulary.fingerprint())) {
            throw new IllegalArgumentException("the vocabulary does not fit the codebook: " + weights.source()
                    + " was made with vocabulary " + fingerprint.substring(0, Math.min(12, fingerprint.length()))
                    + "…, " + VOCABULARY + " is " + vocabulary.fingerprint().substring(0, 12) + "…");
        }
    }

    /** Refuses a vocabulary whose words are other tokens of this tokenizer. */
    static void requireTokens(Vocabulary vocabulary, Tokenizer tokenizer, int rows, Path text) {
        for (int id = 0; id < vocabulary.size(); id++) {
            int token = vocabulary.tokenId(id);
            if (token >= rows) {
                throw new IllegalArgumentException("the vocabulary does not fit the language model: word " + id + " '"
                        + vocabulary.word(id) + "' is token " + token + ", but the output matrix in " + text + " has "
                        + rows
                        + " rows: tokenizer and weights must come from the same model");
            }
            String piece =
                    token < tokenizer.size() ? tokenizer.tokens().get(token).piece() : "none";
            if (!piece.equals(vocabulary.piece(id))) {
                throw new IllegalArgumentException(
                        "the vocabulary does not fit the tokenizer: word " + id + " is token "
                                + token + " '" + vocabulary.piece(id) + "', which is '" + piece + "' in " + text
                                + ": take the tokenizer that the model was made with");
            }
        }
    }
}
