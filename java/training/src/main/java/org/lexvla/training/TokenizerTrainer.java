package org.lexvla.training;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * Learns a small tokenizer in the manner of Llama 2 from texts: byte-pair encoding over characters, {@code ▁} for a space, bytes for
 * characters it has not seen. Writes {@code tokenizer.json} and {@code tokenizer_config.json} as Hugging Face's
 * libraries read them.
 *
 * <p>Pairs never join across words. A word is counted as it stands in a text, {@code ▁horse}, and once more without its mark, as it
 * stands behind a quotation mark, so that a word that is frequent enough becomes one piece in both places. The order of the texts
 * does not matter, and equal counts are decided by the alphabet, so that the same texts give the same bytes.
 */
public final class TokenizerTrainer {
    /** Ids 0, 1, 2 are those of Llama 2; the bytes follow. */
    private static final List<String> SPECIAL = List.of("<unk>", "<s>", "</s>");

    private static final int BYTES = 256;
    private static final String MARK = "▁";

    private final Map<String, Long> counts = new TreeMap<>();
    private final int size;

    /**
     * @param size most tokens, at least 300: 259 are needed for control tokens and bytes
     */
    public TokenizerTrainer(int size) {
        if (size < SPECIAL.size() + BYTES + 41) {
            throw new IllegalArgumentException(
                    "a tokenizer of " + size + " tokens has no room for letters: take at least 300");
        }
        this.size = size;
    }

    /** Counts the words of a text. */
    public TokenizerTrainer add(String text) {
        return add(text, 1);
    }

    /** Counts the words of a text so many times, such as those of a prompt that stands around every caption. */
    public TokenizerTrainer add(String text, long times) {
        boolean behindSpace = true;
        int at = 0;
        while (at < text.length()) {
            int end = at;
            while (end < text.length() && Character.isLetter(text.codePointAt(end))) {
                end += Character.charCount(text.codePointAt(end));
            }
            if (end == at) {
                // Every other character stands alone.
                end += Character.charCount(text.codePointAt(at));
            }
            String word = text.substring(at, end);
            if (word.isBlank()) {
                behindSpace = true;
            } else {
                counts.merge(word, times, Long::sum);
                if (behindSpace) {
                    counts.merge(MARK + word, times, Long::sum);
                }
                behindSpace = false;
            }
            at = end;
        }
        return this;
    }

    /**
     * Learns the pieces and writes them into a directory, which is made if missing.
     *
     * @return number of tokens
     * @throws IllegalStateException if no text has been added
     */
    public int save(Path directory) throws IOException {
        if (counts.isEmpty()) {
            throw new IllegalStateException("no text to learn a tokenizer from: add captions first");
        }
        List<String> merges = new ArrayList<>();
        Map<String, Integer> ids = learn(merges);
        ObjectMapper mapper = new ObjectMapper();
        Files.createDirectories(directory);
        mapper.writerWithDefaultPrettyPrinter()
                .writeValue(directory.resolve("tokenizer.json").toFile(), describe(mapper, ids, merges));
        ObjectNode config = mapper.createObjectNode();
        config.put("tokenizer_class", "LlamaTokenizer").put("bos_token", "<s>").put("eos_token", "</s>");
        config.put("unk_token", "<unk>")
                .put("add_bos_token", true)
                .put("add_eos_token", false)
                .put("legacy", true);
        mapper.writerWithDefaultPrettyPrinter()
                .writeValue(directory.resolve("tokenizer_config.json").toFile(), config);
        return ids.size();
    }

    private Map<String, Integer> learn(List<String> merges) {
        Map<String, Integer> ids = new LinkedHashMap<>();
        SPECIAL.forEach(piece -> ids.put(piece, ids.size()));
        for (int b = 0; b < BYTES; b++) {
            ids.put(String.format(Locale.ROOT, "<0x%02X>", b), ids.size());
        }
        List<List<String>> words = new ArrayList<>();
        List<Long> weights = new ArrayList<>();
        TreeMap<String, Long> characters = new TreeMap<>();
        characters.put(MARK, Long.MAX_VALUE);
        counts.forEach((word, count) -> {
            List<String> symbols = new ArrayList<>();
            word.codePoints().forEach(c -> symbols.add(Character.toString(c)));
            symbols.forEach(symbol -> characters.merge(symbol, count, (a, b) -> Math.max(a, a + b)));
            words.add(symbols);
            weights.add(count);
        });
        // The most frequent characters where there is no room for all; the rest falls back to bytes.
        characters.entrySet().stream()
                .sorted(Map.Entry.<String, Long>comparingByValue().reversed().thenComparing(Map.Entry.comparingByKey()))
                .limit(size - ids.size())
                .map(Map.Entry::getKey)
                .sorted()
                .forEach(symbol -> ids.put(symbol, ids.size()));
        while (ids.size() < size) {
            Pair best = mostFrequent(words, weights, ids);
            if (best == null) {
                break;
            }
            String joined = best.left() + best.right();
            merges.add(best.left() + " " + best.right());
            ids.putIfAbsent(joined, ids.size());
            words.forEach(symbols -> join(symbols, best, joined));
        }
        return ids;
    }

    private record Pair(String left, String right) implements Comparable<Pair> {
        @Override
        public int compareTo(Pair other) {
            int byLeft = left.compareTo(other.left);
            return byLeft != 0 ? byLeft : right.compareTo(other.right);
        }
    }

    private static Pair mostFrequent(List<List<String>> words, List<Long> weights, Map<String, Integer> ids) {
        Map<Pair, Long> pairs = new TreeMap<>();
        for (int w = 0; w < words.size(); w++) {
            List<String> symbols = words.get(w);
            for (int i = 0; i + 1 < symbols.size(); i++) {
                if (ids.containsKey(symbols.get(i)) && ids.containsKey(symbols.get(i + 1))) {
                    pairs.merge(new Pair(symbols.get(i), symbols.get(i + 1)), weights.get(w), Long::sum);
                }
            }
        }
        Pair best = null;
        long most = 0;
        for (Map.Entry<Pair, Long> entry : pairs.entrySet()) {
            if (entry.getValue() > most) {
                best = entry.getKey();
                most = entry.getValue();
            }
        }
        return best;
    }

    private static void join(List<String> symbols, Pair pair, String joined) {
        for (int i = 0; i + 1 < symbols.size(); i++) {
            if (symbols.get(i).equals(pair.left()) && symbols.get(i + 1).equals(pair.right())) {
                symbols.set(i, joined);
                symbols.remove(i + 1);
            }
        }
    }

    private static ObjectNode describe(ObjectMapper mapper, Map<String, Integer> ids, List<String> merges) {
        ObjectNode root = mapper.createObjectNode();
        root.put("version", "1.0").putNull("truncation").putNull("padding");
        ArrayNode added = root.putArray("added_tokens");
        for (String piece : SPECIAL) {
            ObjectNode token = added.addObject();
            token.put("id", ids.get(piece)).put("content", piece).put("single_word", false);
            token.put("lstrip", false)
                    .put("rstrip", false)
                    .put("normalized", false)
                    .put("special", true);
        }
        ObjectNode normalizer = root.putObject("normalizer");
        normalizer.put("type", "Sequence");
        ArrayNode steps = normalizer.putArray("normalizers");
        steps.addObject().put("type", "Prepend").put("prepend", MARK);
        steps.add(replace(mapper, " ", MARK));
        root.putNull("pre_tokenizer");
        ObjectNode begin = root.putObject("post_processor");
        begin.put("type", "TemplateProcessing");
        for (String form : List.of("single", "pair")) {
            ArrayNode template = begin.putArray(form);
            for (int i = 0; i < (form.equals("pair") ? 2 : 1); i++) {
                template.addObject().putObject("SpecialToken").put("id", "<s>").put("type_id", i);
                template.addObject()
                        .putObject("Sequence")
                        .put("id", i == 0 ? "A" : "B")
                        .put("type_id", i);
            }
        }
        ObjectNode bos = begin.putObject("special_tokens").putObject("<s>");
        bos.put("id", "<s>").putArray("ids").add(ids.get("<s>"));
        bos.putArray("tokens").add("<s>");
        ObjectNode decoder = root.putObject("decoder");
        decoder.put("type", "Sequence");
        ArrayNode decoders = decoder.putArray("decoders");
        decoders.add(replace(mapper, MARK, " "));
        decoders.addObject().put("type", "ByteFallback");
        decoders.addObject().put("type", "Fuse");
        decoders.addObject()
                .put("type", "Strip")
                .put("content", " ")
                .put("start", 1)
                .put("stop", 0);
        ObjectNode model = root.putObject("model");
        model.put("type", "BPE").putNull("dropout").put("unk_token", "<unk>").putNull("continuing_subword_prefix");
        model.putNull("end_of_word_suffix").put("fuse_unk", true).put("byte_fallback", true);
        model.put("ignore_merges", false);
        ObjectNode vocabulary = model.putObject("vocab");
        ids.forEach(vocabulary::put);
        ArrayNode list = model.putArray("merges");
        merges.forEach(list::add);
        return root;
    }

    private static ObjectNode replace(ObjectMapper mapper, String from, String to) {
        ObjectNode step = mapper.createObjectNode();
        step.put("type", "Replace").put("content", to);
        step.putObject("pattern").put("String", from);
        return step;
    }
}
